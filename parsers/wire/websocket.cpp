// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/websocket.h"

#include "parsers/wire/websocket_half.h"

namespace llmtap {
namespace {

std::size_t index(Side side) { return static_cast<std::size_t>(side); }

}  // namespace

WebSocketStream::WebSocketStream(StreamId stream, const Headers* response) {
  const bool late = response == nullptr;
  const auto offer = late ? DeflateOffer{} : negotiated_deflate(*response);
  for (const Side side : {Side::kRequest, Side::kResponse}) {
    std::optional<DeflateTerms> terms;
    if (offer) terms = side == Side::kRequest ? offer->client : offer->server;
    halves_[index(side)] = std::make_unique<WebSocketHalf>(stream, side, terms, late);
  }
}

WebSocketStream::~WebSocketStream() = default;

void WebSocketStream::feed(Side side, std::string_view bytes, Stamp stamp, ExchangeSink& sink) {
  halves_[index(side)]->feed(bytes, stamp, sink);
}

void WebSocketStream::gap(Side side, std::uint64_t bytes, Stamp, ExchangeSink& sink) {
  halves_[index(side)]->gap(bytes, sink);
}

End WebSocketStream::end() const {
  return halves_[0]->closed() || halves_[1]->closed() ? End::kComplete : End::kTruncated;
}

bool WebSocketStream::dead() const { return halves_[0]->dead() && halves_[1]->dead(); }

std::size_t WebSocketStream::memory() const {
  return sizeof *this + halves_[0]->memory() + halves_[1]->memory();
}

}  // namespace llmtap
