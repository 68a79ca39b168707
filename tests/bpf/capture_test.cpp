// SPDX-License-Identifier: Apache-2.0
//
// What the kernel side captures of real calls to the real libssl, byte by byte.
#include <catch2/catch.hpp>
#include <string>

#include "tests/bpf/subject.h"

namespace llmtap::test {
namespace {

constexpr int kSizes[] = {1,    2,    255,  256,  257,  511,  512,   513,   1024,  1025,
                          2048, 2049, 4096, 4097, 8192, 8193, 12345, 16383, 16384, 1};
constexpr std::int64_t kTotal = [] {
  std::int64_t total = 0;
  for (const int n : kSizes) total += n;
  return total;
}();

std::string all_sizes() {
  std::string command = "sizes";
  for (const int n : kSizes) command += " " + std::to_string(n);
  return command;
}

KernelOptions in_mode(AttachMode mode) {
  KernelOptions options;
  options.mode = mode;
  return options;
}

void check_both_ends(Tap& tap) {
  Subject subject;
  const auto [client, server] = subject.connect();
  subject.ask(all_sizes());
  subject.ask("reply 300");
  subject.ask("ex 1");
  subject.ask(all_sizes());
  subject.ask("reply 16384");
  tap.drain();
  CHECK(contiguous_bytes(tap.stream(client, Direction::kWrite)) == 2 * kTotal);
  CHECK(contiguous_bytes(tap.stream(server, Direction::kRead)) == 2 * kTotal);
  CHECK(contiguous_bytes(tap.stream(server, Direction::kWrite)) == 300 + 16384);
  CHECK(contiguous_bytes(tap.stream(client, Direction::kRead)) == 300 + 16384);
  CHECK(tap.stream(client, Direction::kWrite).size() == 2 * std::size(kSizes));
}

}  // namespace

TEST_CASE("capture: both ends, every size class, plain and _ex", "[bpf]") {
  const auto mode = GENERATE(AttachMode::kSession, AttachMode::kMulti, AttachMode::kPerf);
  CAPTURE(name(mode));
  Tap tap(in_mode(mode));
  check_both_ends(tap);
  CHECK(tap.losses() == 0);
}

TEST_CASE("capture: at the sites that the planner chooses", "[bpf]") {
  const auto mode = GENERATE(AttachMode::kSession, AttachMode::kMulti, AttachMode::kPerf);
  CAPTURE(name(mode));
  const ProbePlan plan = planned();
  if (plan.sites.at(0).kind != SiteKind::kInner) {
    WARN("this libssl has no inner function that both forms call: entries were used");
  }
  Tap tap(in_mode(mode), plan);
  check_both_ends(tap);
  CHECK(tap.losses() == 0);
}

// The kernel writes breakpoints into private mappings. Analysed like that, instructions shift, and
// a probe inside of one kills its targets.
TEST_CASE("plan: a file that is probed already is read as it is on disk", "[bpf]") {
  const ProbePlan before = planned();
  Tap exported;
  Tap chosen({}, before);
  CHECK(planned() == before);
}

TEST_CASE("capture: one write of 8 MiB arrives whole", "[bpf]") {
  Tap tap;
  Subject subject;
  const auto [client, server] = subject.connect();
  subject.ask("write 8388608");
  tap.drain();
  const auto written = tap.stream(client, Direction::kWrite);
  CHECK(contiguous_bytes(written) == 8388608);
  CHECK(contiguous_bytes(tap.stream(server, Direction::kRead)) == 8388608);
  REQUIRE(written.size() == 8388608 / TLS_PIECE_BYTES);
  CHECK(written.front().chunk.begin_ns == written.back().chunk.begin_ns);
  CHECK(written.front().chunk.begin_ns < written.front().chunk.end_ns);
  CHECK(tap.losses() == 0);
}

TEST_CASE("capture: a repeated write counts once", "[bpf]") {
  Tap tap;
  Subject subject;
  const std::string answer = subject.ask("retry 16000");  // TRIES WRITER READER
  std::size_t used = 0;
  CHECK(std::stoi(answer, &used) > 1);
  const auto writer = std::stoull(answer.substr(used), nullptr, 16);
  tap.drain();
  CHECK(contiguous_bytes(tap.stream(writer, Direction::kWrite)) == 16000);
}

// SSL_read_ex answers 0 to both. An end that is none would cut the answer that is waited for.
TEST_CASE("capture: a read that finds nothing is not the end of the stream", "[bpf]") {
  const auto* const ex = GENERATE("ex 0", "ex 1");
  const bool naive = GENERATE(true, false);
  CAPTURE(ex, naive);
  Tap tap({}, naive ? exported_plan() : planned());
  Subject subject;
  const auto server = subject.connect().second;
  subject.ask(ex);
  subject.ask("write 100");
  subject.ask("poll");
  subject.ask("write 50");
  tap.drain();
  REQUIRE(tap.stream(server, Direction::kRead).size() == 2);
  subject.ask("end");
  tap.drain();
  const auto read = tap.stream(server, Direction::kRead);
  const bool told = !naive || std::string_view(ex) == "ex 0";
  REQUIRE(read.size() == (told ? 3 : 2));
  CHECK(read.back().bytes.empty() == told);
}

TEST_CASE("capture: a call within a call", "[bpf]") {
  const auto mode = GENERATE(AttachMode::kSession, AttachMode::kMulti);
  CAPTURE(name(mode));
  Tap tap(in_mode(mode));
  Subject subject;
  subject.connect();
  const auto [inner, outer] = subject.connect("nested 5000");
  tap.drain();
  CHECK(contiguous_bytes(tap.stream(inner, Direction::kWrite)) == 5000);
  const auto carried = tap.stream(outer, Direction::kWrite);
  std::uint64_t bytes = 0;
  for (const auto& one : carried) bytes += one.bytes.size();
  CHECK(bytes > 5000);  // the inner connection's records
  CHECK(tap.losses() == 0);
}

TEST_CASE("capture: the same address is another connection after SSL_free", "[bpf]") {
  Tap tap;
  Subject subject;
  const auto [first, first_server] = subject.connect();
  subject.ask("write 1000");
  subject.ask("free");
  const auto [second, second_server] = subject.connect();
  subject.ask("write 700");
  tap.drain();
  REQUIRE(first == second);  // malloc hands it out again
  const auto written = tap.stream(first, Direction::kWrite);
  REQUIRE(written.size() == 2);
  CHECK(written[0].chunk.conn.generation != written[1].chunk.conn.generation);
  CHECK(written[1].chunk.offset == 0);
  CHECK(tap.count(ChunkKind::kClose) == 2);
}

TEST_CASE("capture: times are Unix times around the call", "[bpf]") {
  Tap tap;
  Subject subject;
  const auto client = subject.connect().first;
  const TimeNs before = unix_now();
  subject.ask("write 100");
  const TimeNs after = unix_now();
  tap.drain();
  const auto written = tap.stream(client, Direction::kWrite);
  REQUIRE(written.size() == 1);
  CHECK(written[0].chunk.begin_ns >= before);
  CHECK(written[0].chunk.begin_ns < written[0].chunk.end_ns);
  CHECK(written[0].chunk.end_ns <= after);
}

}  // namespace llmtap::test
