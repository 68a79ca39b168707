// SPDX-License-Identifier: Apache-2.0
//
// WebSocket (RFC 6455), both sides of one stream, with permessage-deflate (RFC 7692). Driven by
// HTTP/1 after a 101 and by HTTP/2 after an extended CONNECT (RFC 8441). What each side does:
// websocket_half.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "parsers/wire/decoder.h"

namespace llmtap {

class WebSocketHalf;

class WebSocketStream {
 public:
  // `response` are the headers of the 101 (or the 2xx): they say what was negotiated. Null: the
  // stream was joined late, in the middle of anything.
  WebSocketStream(StreamId stream, const Headers* response);
  ~WebSocketStream();

  // Reports `message`, `gap` (a message that could not be had, by its wire bytes) and `loss`.
  void feed(Side side, std::string_view bytes, Stamp stamp, ExchangeSink& sink);
  // `bytes` (0: an unknown number) of this side were lost before the next feed.
  void gap(Side side, std::uint64_t bytes, Stamp stamp, ExchangeSink& sink);

  // How the exchange ends when its connection does: complete after a Close of either side. The
  // owner reports it; this class never does.
  End end() const;
  // Both sides broke the protocol: no message will come any more.
  bool dead() const;
  std::size_t memory() const;

 private:
  std::unique_ptr<WebSocketHalf> halves_[2];  // by Side
};

}  // namespace llmtap
