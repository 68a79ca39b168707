// SPDX-License-Identifier: Apache-2.0
//
// Both sides of a WebSocket: whole pieces against single bytes and other cuts must give the same
// messages and gaps, in bounded memory.
//
// Input: one byte of mode (0: plain, 1: deflate, 2: deflate without context, 3: joined late), then
// records of {control, length 16} and that many bytes. Bit 0 of control: the server's side; bit 1:
// it is a gap of `length` bytes instead.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "parsers/wire/websocket.h"
#include "parsers/wire/websocket_half.h"
#include "tests/unit/wire/http2_log.h"

namespace {

using namespace llmtap;

void require(bool ok) {
  if (!ok) std::abort();
}

constexpr StreamId kStream = 1;

test::ExchangeLog replay(std::string_view input, std::size_t cut) {
  const auto mode = static_cast<std::uint8_t>(input[0]) % 4;
  input.remove_prefix(1);
  Headers response;
  if (mode == 1) response = {{"sec-websocket-extensions", "permessage-deflate"}};
  if (mode == 2) {
    response = {{"sec-websocket-extensions",
                 "permessage-deflate; server_no_context_takeover; client_no_context_takeover"}};
  }
  test::ExchangeLog log;
  log.request(kStream, {}, Direction::kWrite, {});
  log.response(kStream, {}, {});
  WebSocketStream stream(kStream, mode == 3 ? nullptr : &response);
  while (input.size() >= 3) {
    const auto control = static_cast<std::uint8_t>(input[0]);
    const std::size_t length = static_cast<std::uint8_t>(input[1]) * std::size_t{256} +
                               static_cast<std::uint8_t>(input[2]);
    input.remove_prefix(3);
    const Side side = (control & 1) != 0 ? Side::kResponse : Side::kRequest;
    if ((control & 2) != 0) {
      stream.gap(side, length, {}, log);
      continue;
    }
    std::string_view bytes = input.substr(0, length);
    input.remove_prefix(bytes.size());
    while (!bytes.empty()) {
      stream.feed(side, bytes.substr(0, cut), {}, log);
      bytes.remove_prefix(std::min(cut, bytes.size()));
    }
    require(stream.memory() < 3 * WebSocketHalf::kMaxMessage);
  }
  require(log.errors.empty());
  return log;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  const auto whole = replay(input, SIZE_MAX);
  require(replay(input, 1).all() == whole.all());
  require(replay(input, 2 + size % 61).all() == whole.all());
  return 0;
}
