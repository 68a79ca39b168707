// SPDX-License-Identifier: Apache-2.0
//
// Every decoder behind the choice by Content-Type and first bytes.
#include <array>

#include "tests/fuzz/split.h"

using namespace llmtap;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::array<const char*, 8> kTypes = {
      "application/json",
      "text/event-stream",
      "application/x-ndjson",
      "multipart/form-data; boundary=B",
      "application/grpc",
      "application/vnd.amazon.eventstream",
      "audio/mpeg",
      "",
  };
  fuzz::Input input(data, size);
  const char* type = kTypes[input.byte() % kTypes.size()];
  const std::uint8_t gap = input.byte();
  const std::uint8_t flags = input.byte();
  const Headers headers = {{"content-type", type}, {"grpc-encoding", "gzip"}};
  const BodyLimits limits = {.whole = (flags & 2) != 0 ? 48u : 4096u,
                             .event = (flags & 2) != 0 ? 32u : 4096u};
  fuzz::check_body([&] { return make_body_decoder(headers, limits); }, input.rest(), gap,
                   (flags & 1) == 0, flags >> 2);
  return 0;
}
