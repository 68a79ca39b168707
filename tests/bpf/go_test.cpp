// SPDX-License-Identifier: Apache-2.0
//
// Go's crypto/tls in a stripped program, at the sites that the planner finds.
#include <catch2/catch.hpp>

#include "tests/bpf/subject.h"
#include "userspace/capture/elf.h"
#include "userspace/capture/site_finders.h"

namespace llmtap::test {

TEST_CASE("go: both ends, whole records and long writes", "[bpf]") {
  const auto mode = GENERATE(AttachMode::kMulti, AttachMode::kPerf);
  CAPTURE(name(mode));
  auto file = ElfFile::open(LLMTAP_GO_PINGPONG);
  REQUIRE(file.ok());
  const ProbePlan plan = find_go(*file);
  INFO(plan.reason);
  REQUIRE(plan.sites.size() == 2);
  KernelOptions options;
  options.mode = mode;
  Tap tap(options, plan, LLMTAP_GO_PINGPONG);
  Subject subject(LLMTAP_GO_PINGPONG);
  const auto [client, server] = subject.connect();
  std::int64_t total = 0;
  for (const int n : {1, 100, 512, 4096, 16384, 16385, 100000}) {
    subject.ask("write " + std::to_string(n));
    total += n;
  }
  subject.ask("reply 70000");
  tap.drain();
  CHECK(contiguous_bytes(tap.stream(client, Direction::kWrite)) == total);
  CHECK(contiguous_bytes(tap.stream(server, Direction::kRead)) == total);
  CHECK(contiguous_bytes(tap.stream(server, Direction::kWrite)) == 70000);
  CHECK(contiguous_bytes(tap.stream(client, Direction::kRead)) == 70000);
  CHECK(tap.losses() == 0);
}

}  // namespace llmtap::test
