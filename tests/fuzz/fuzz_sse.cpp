// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/split.h"

using namespace llmtap;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t gap = input.byte();
  const std::uint8_t flags = input.byte();
  const BodyLimits limits = {.whole = 4096, .event = (flags & 2) != 0 ? 32u : 4096u};
  fuzz::check_body([&] { return make_body_decoder(BodyKind::kSse, {}, limits); }, input.rest(), gap,
                   (flags & 1) == 0, flags >> 2);
  return 0;
}
