// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "tests/bpf/subject.h"

namespace llmtap::test {

TEST_CASE("capture: bytes of both ends, exactly", "[bpf]") {
  const auto mode = GENERATE(AttachMode::kSession, AttachMode::kMulti, AttachMode::kPerf);
  CAPTURE(name(mode));
  KernelOptions options;
  options.mode = mode;
  Tap tap(options);
  Subject subject;
  const auto [client, server] = subject.connect();
  std::string sizes = "sizes";
  std::int64_t total = 0;
  for (const int n : {1, 2, 255, 256, 257, 511, 512, 513, 1024, 1025, 2048, 2049, 4096, 4097, 8192,
                      8193, 12345, 16383, 16384, 1}) {
    sizes += " " + std::to_string(n);
    total += n;
  }
  subject.ask(sizes);
  subject.ask("reply 300");
  subject.ask("ex 1");
  subject.ask(sizes);
  subject.ask("reply 16384");
  tap.drain();
  CHECK(contiguous_bytes(tap.stream(client, Direction::kWrite)) == 2 * total);
  CHECK(contiguous_bytes(tap.stream(server, Direction::kRead)) == 2 * total);
  CHECK(contiguous_bytes(tap.stream(server, Direction::kWrite)) == 300 + 16384);
  CHECK(contiguous_bytes(tap.stream(client, Direction::kRead)) == 300 + 16384);
  CHECK(tap.stream(client, Direction::kWrite).size() == 40);
}

}  // namespace llmtap::test
