// SPDX-License-Identifier: Apache-2.0
//
// Processes that begin, change and end.
#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/bpf/subject.h"

namespace llmtap::test {

TEST_CASE("process: exit is an event behind the last bytes", "[bpf]") {
  Tap tap;
  Subject subject;
  const auto client = subject.connect().first;
  const auto pid = static_cast<std::uint32_t>(subject.pid());
  subject.ask("write 100");
  subject.finish();
  tap.drain();
  CHECK(contiguous_bytes(tap.stream(client, Direction::kWrite)) == 100);
  REQUIRE(tap.count(ChunkKind::kProcessExit) == 1);
  CHECK(tap.seen().back().chunk.kind == ChunkKind::kProcessExit);
  CHECK(tap.seen().back().chunk.conn.tgid == pid);
}

TEST_CASE("process: one that said nothing ends without an event", "[bpf]") {
  Tap tap;
  Subject subject;
  subject.finish();
  tap.drain();
  CHECK(tap.seen().empty());
}

TEST_CASE("process: exec ends the connections, addresses begin anew", "[bpf]") {
  Tap tap;
  Subject subject;
  subject.connect();
  subject.ask("write 100");
  subject.tell("exec");
  const auto client = subject.connect().first;
  subject.ask("write 200");
  tap.drain();
  CHECK(tap.count(ChunkKind::kProcessExit) == 1);
  const auto written = tap.stream(client, Direction::kWrite);
  REQUIRE_FALSE(written.empty());
  CHECK(written.back().chunk.offset == 0);
  CHECK(written.back().bytes.size() == 200);
}

TEST_CASE("process: a forked child's connection is its own", "[bpf]") {
  Tap tap;
  Subject subject;
  const auto client = subject.connect().first;
  subject.ask("write 100");
  const auto child = static_cast<std::uint32_t>(std::stoul(subject.ask("fork")));
  subject.ask("write 50");
  tap.drain();
  const auto written = tap.stream(client, Direction::kWrite);
  REQUIRE(written.size() == 2);
  CHECK(written[0].chunk.conn.tgid == static_cast<std::uint32_t>(subject.pid()));
  CHECK(written[1].chunk.conn.tgid == child);
  CHECK(written[1].chunk.offset == 0);
  CHECK(written[0].chunk.conn.generation != written[1].chunk.conn.generation);
}

TEST_CASE("process: targets only, and their children", "[bpf]") {
  KernelOptions options;
  options.targets_only = true;
  Tap tap(options);
  Subject other, target;
  REQUIRE(tap.source().add_target(target.pid()).ok());
  other.connect();
  other.ask("write 100");
  const auto client = target.connect().first;
  target.ask("write 100");
  const auto child = static_cast<std::uint32_t>(std::stoul(target.ask("fork")));
  target.ask("write 70");
  tap.drain();
  CHECK(tap.stream(client, Direction::kWrite).back().chunk.conn.tgid == child);
  for (const auto& one : tap.seen()) {
    CHECK(one.chunk.conn.tgid != static_cast<std::uint32_t>(other.pid()));
  }
}

TEST_CASE("attach: a file that was unlinked, through its descriptor", "[bpf]") {
  const std::string copy = "/tmp/llmtap-unlinked-" + std::to_string(getpid());
  std::ofstream(copy, std::ios::binary) << std::ifstream(libssl_path(), std::ios::binary).rdbuf();
  const Fd fd(open(copy.c_str(), O_RDONLY | O_CLOEXEC));
  unlink(copy.c_str());
  REQUIRE(fd);
  Tap tap;
  const auto attached =
      tap.source().attach("/proc/self/fd/" + std::to_string(fd.get()), exported_plan());
  CHECK(attached.ok());
}

TEST_CASE("kernel: features and why not", "[bpf]") {
  const KernelFeatures features = probe_kernel();
  CHECK(features.btf);
  CHECK(features.may_load);
  CHECK(features.best().has_value());
  CHECK(features.why_not().empty());
  KernelFeatures none;
  CHECK_FALSE(none.best().has_value());
  CHECK(none.why_not().find("root") != std::string::npos);
}

}  // namespace llmtap::test
