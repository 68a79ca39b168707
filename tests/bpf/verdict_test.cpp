// SPDX-License-Identifier: Apache-2.0
//
// What is left out on purpose, what is lost, and that both are accounted for.
#include <catch2/catch.hpp>

#include "tests/bpf/subject.h"

namespace llmtap::test {
namespace {

std::uint64_t bytes_of(const std::vector<Seen>& stream) {
  std::uint64_t bytes = 0;
  for (const auto& one : stream) bytes += one.bytes.size();
  return bytes;
}

// Captured, said to be missing, and jumped over between two chunks.
std::uint64_t extent(const std::vector<Seen>& stream) {
  const auto& last = stream.back();
  return last.chunk.offset + last.bytes.size() + last.chunk.missing;
}

}  // namespace

TEST_CASE("verdict: WATCH shows the head of each turn", "[bpf]") {
  Tap tap;
  Subject subject;
  const auto [client, server] = subject.connect();
  subject.ask("write 10");
  tap.drain();
  const ConnId conn = tap.stream(client, Direction::kWrite).at(0).chunk.conn;
  REQUIRE(tap.source().set_verdict(conn, TLS_VERDICT_WATCH));
  tap.forget();

  subject.ask("reply 600");   // a turn: all of it
  subject.ask("reply 5000");  // what is left of the head
  subject.ask("reply 5000");  // nothing
  subject.ask("write 3000");  // a request: all of it
  subject.ask("reply 2000");  // another turn: its head
  tap.drain();
  const auto read = tap.stream(client, Direction::kRead);
  REQUIRE(read.size() == 3);
  CHECK(read[0].chunk.offset == 0);
  CHECK(read[0].bytes.size() == 600);
  CHECK(read[1].bytes.size() == TLS_WATCH_BYTES - 600);
  CHECK(read[1].chunk.missing == 5000 - (TLS_WATCH_BYTES - 600));
  CHECK(read[2].chunk.offset == 600 + 5000 + 5000);
  CHECK(read[2].bytes.size() == TLS_WATCH_BYTES);
  for (const auto& one : read) CHECK(one.bytes.at(0) == pattern(one.chunk.offset));
  CHECK(bytes_of(tap.stream(client, Direction::kWrite)) == 3000);
  // The server's end has no verdict yet: everything.
  CHECK(contiguous_bytes(tap.stream(server, Direction::kWrite)) == 600 + 5000 + 5000 + 2000);

  // A request's body is shown further than an answer's, but not for ever.
  tap.forget();
  subject.ask("write 1000000");
  tap.drain();
  CHECK(bytes_of(tap.stream(client, Direction::kWrite)) == TLS_WATCH_REQUEST_BYTES);
  CHECK(extent(tap.stream(client, Direction::kWrite)) == 10 + 3000 + 1000000);

  REQUIRE(tap.source().set_verdict(conn, TLS_VERDICT_LLM));
  tap.forget();
  subject.ask("reply 9000");
  tap.drain();
  CHECK(bytes_of(tap.stream(client, Direction::kRead)) == 9000);
  CHECK(tap.losses() == 0);
}

TEST_CASE("verdict: IGNORE copies nothing, leaving it begins a new generation", "[bpf]") {
  const auto mode = GENERATE(AttachMode::kSession, AttachMode::kMulti, AttachMode::kPerf);
  CAPTURE(name(mode));
  KernelOptions options;
  options.mode = mode;
  Tap tap(options);
  Subject subject;
  const auto client = subject.connect().first;
  subject.ask("write 10");
  tap.drain();
  const ConnId conn = tap.stream(client, Direction::kWrite).at(0).chunk.conn;
  tap.forget();
  REQUIRE(tap.source().set_verdict(conn, TLS_VERDICT_IGNORE));
  subject.ask("sizes 100 20000 300");
  subject.ask("reply 3000");
  tap.drain();
  CHECK(tap.stream(client, Direction::kWrite).empty());
  CHECK(tap.stream(client, Direction::kRead).empty());

  REQUIRE(tap.source().set_verdict(conn, TLS_VERDICT_LLM));
  subject.ask("write 50");
  tap.drain();
  const auto written = tap.stream(client, Direction::kWrite);
  REQUIRE(written.size() == 1);
  CHECK(written[0].chunk.offset == 0);
  CHECK(written[0].chunk.conn.generation != conn.generation);
  CHECK_FALSE(tap.source().set_verdict(conn, TLS_VERDICT_IGNORE));  // that one is gone
  CHECK(tap.losses() == 0);
}

TEST_CASE("loss: a full ring is counted, and the offsets show it", "[bpf]") {
  KernelOptions options;
  options.ring_bytes = 64 << 10;
  Tap tap(options);
  Subject subject;
  const auto [client, server] = subject.connect();
  constexpr std::uint64_t kWritten = 200 * 3000;
  for (int i = 0; i < 200; ++i) subject.ask("write 3000");
  tap.drain();
  subject.ask("write 1");  // shows how far the stream got
  tap.drain();
  std::uint64_t captured = 0;
  for (const auto& stream :
       {tap.stream(client, Direction::kWrite), tap.stream(server, Direction::kRead)}) {
    REQUIRE(stream.size() > 1);
    CHECK(extent(stream) == kWritten + 1);
    captured += bytes_of(stream);
  }
  const LossLedger losses = tap.source().losses();
  CHECK(losses.times(LossReason::kRingFull) > 0);
  CHECK(losses.bytes(LossReason::kRingFull) == 2 * (kWritten + 1) - captured);
  CHECK(tap.losses() == losses.times(LossReason::kRingFull));
}

TEST_CASE("sites: hits and bytes are counted per site", "[bpf]") {
  Tap tap;
  Subject subject;
  subject.connect();
  const auto count = [&](std::size_t site) {
    return tap.source().hits(tap.attachment()).at(site).count;
  };
  const auto reads = count(0).moved;
  const auto writes = count(1).moved;
  subject.ask("sizes 100 200 300");
  CHECK(count(0).moved - reads == 3);
  CHECK(count(1).moved - writes == 3);
  CHECK(count(1).bytes == 600);
  CHECK(count(2).hits == 0);  // SSL_read_ex
  subject.ask("free");
  CHECK(count(4).hits == 2);
  CHECK(count(1).refused == 0);

  tap.source().detach(tap.attachment());
  CHECK(tap.source().hits(tap.attachment()).empty());
}

TEST_CASE("attach: errors say what is wrong", "[bpf]") {
  Tap tap;
  const auto plan = exported_plan();
  const auto missing = tap.source().attach("/nonexistent/libssl.so", plan);
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().message.find("/nonexistent/libssl.so") != std::string::npos);
  ProbePlan empty;
  empty.reason = "no such function";
  const auto nothing = tap.source().attach(libssl_path(), empty);
  REQUIRE_FALSE(nothing.ok());
  CHECK(nothing.error().message.find("no such function") != std::string::npos);
}

}  // namespace llmtap::test
