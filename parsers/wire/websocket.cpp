// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/websocket.h"

namespace llmtap {

class WebSocketHalf {};

WebSocketStream::WebSocketStream(StreamId stream, const Headers*) : stream_(stream) {}
WebSocketStream::~WebSocketStream() = default;
void WebSocketStream::feed(Side, std::string_view, Stamp, ExchangeSink&) {}
void WebSocketStream::gap(Side side, std::uint64_t bytes, Stamp, ExchangeSink& sink) {
  sink.gap(stream_, side, bytes);
}
End WebSocketStream::end() const { return End::kTruncated; }
bool WebSocketStream::dead() const { return false; }
std::size_t WebSocketStream::memory() const { return sizeof(*this); }

}  // namespace llmtap
