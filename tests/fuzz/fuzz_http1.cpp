// SPDX-License-Identifier: Apache-2.0
//
// Both directions of an HTTP/1 connection. Whatever comes: the calls keep their promised order and
// memory is bounded. A conversation that is followed without any loss gives the same exchanges
// however it is cut (a search may find another place when it is cut elsewhere).
//
// Input: records of {control, length 16} and that many bytes. Bit 0 of control: direction; bit 1:
// it is a gap of `length` bytes instead.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "parsers/wire/http1.h"
#include "tests/support/chunker.h"
#include "tests/support/exchange_log.h"

namespace {

using namespace llmtap;

constexpr std::size_t kMaxMemory = 4 * Http1Half::kMaxHead + (std::size_t{5} << 20);  // WebSocket

void require(bool ok) {
  if (!ok) std::abort();
}

testing::ExchangeLog replay(std::string_view input, std::size_t size, bool& hurt) {
  Http1Decoder decoder;
  testing::ExchangeLog log;
  while (input.size() >= 3) {
    const auto control = static_cast<std::uint8_t>(input[0]);
    const std::size_t length = static_cast<std::uint8_t>(input[1]) * std::size_t{256} +
                               static_cast<std::uint8_t>(input[2]);
    input.remove_prefix(3);
    const Direction direction = (control & 1) != 0 ? Direction::kRead : Direction::kWrite;
    if ((control & 2) != 0) {
      hurt = true;
      decoder.gap(direction, length, {}, log);
      continue;
    }
    testing::in_pieces(input.substr(0, length), size, [&](std::string_view piece) {
      const std::string copy(piece);  // a kept view is caught
      decoder.feed(direction, copy, {}, log);
    });
    input.remove_prefix(std::min(length, input.size()));
    require(decoder.memory() < kMaxMemory);
  }
  decoder.close({}, log);
  for (std::size_t i = 0; i < kLossReasons; ++i) {
    hurt = hurt || log.losses.times(static_cast<LossReason>(i)) > 0;
  }
  for (const auto& [id, seen] : log.seen) require(seen.ends == 1 && seen.after_end == 0);
  return log;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  bool hurt = false;
  const auto whole = replay(input, 0, hurt);
  bool ignored = false;
  const auto single = replay(input, 1, ignored);
  const auto cut = replay(input, 2 + size % 61, ignored);
  if (hurt) return 0;
  require(single.seen == whole.seen);
  require(cut.seen == whole.seen);
  return 0;
}
