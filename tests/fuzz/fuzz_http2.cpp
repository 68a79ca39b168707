// SPDX-License-Identifier: Apache-2.0
//
// Both directions of an HTTP/2 connection: whole pieces against single bytes and other cuts must
// give the same exchanges, in the promised order and in bounded memory.
//
// Input: records of {control, length 16} and that many bytes. Bit 0 of control: direction; bit 1:
// it is a gap of `length` bytes instead; bit 2: the client's preface and empty SETTINGS go first.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "parsers/wire/http2.h"
#include "tests/unit/wire/http2_log.h"

namespace {

using namespace llmtap;

void require(bool ok) {
  if (!ok) std::abort();
}

test::ExchangeLog replay(std::string_view input, std::size_t cut) {
  Http2Decoder decoder;
  test::ExchangeLog log;
  while (input.size() >= 3) {
    const auto control = static_cast<std::uint8_t>(input[0]);
    const std::size_t length = static_cast<std::uint8_t>(input[1]) * std::size_t{256} +
                               static_cast<std::uint8_t>(input[2]);
    input.remove_prefix(3);
    const Direction direction = (control & 1) != 0 ? Direction::kRead : Direction::kWrite;
    if ((control & 2) != 0) {
      decoder.gap(direction, length, {}, log);
      continue;
    }
    if ((control & 4) != 0) {
      decoder.feed(direction, kHttp2Preface, {}, log);
      decoder.feed(direction, std::string_view("\0\0\0\4\0\0\0\0\0", 9), {}, log);
    }
    std::string_view bytes = input.substr(0, length);
    input.remove_prefix(bytes.size());
    while (!bytes.empty()) {
      decoder.feed(direction, bytes.substr(0, cut), {}, log);
      bytes.remove_prefix(std::min(cut, bytes.size()));
    }
    require(decoder.memory() < std::size_t{4} << 20);
  }
  decoder.close({}, log);
  require(decoder.open_streams() == 0);
  require(log.errors.empty());
  return log;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  const auto whole = replay(input, SIZE_MAX);
  for (const auto& [id, exchanges] : whole.all()) require(exchanges.back().end.has_value());
  require(replay(input, 1).all() == whole.all());
  require(replay(input, 2 + size % 61).all() == whole.all());
  return 0;
}
