// SPDX-License-Identifier: Apache-2.0
//
// Which protocol a connection speaks, from its first bytes or from the middle.
#include <utility>

#include "parsers/assembly/connection.h"
#include "parsers/assembly/connection_unknown.h"
#include "parsers/wire/detect.h"
#include "parsers/wire/http1.h"
#include "parsers/wire/http2.h"
#include "parsers/wire/websocket_decoder.h"

namespace llmtap {

void Connection::detect(Direction direction, std::string_view bytes, Stamp stamp) {
  Unknown& state = *unknown_;
  state.bytes += bytes.size();
  if (state.last && *state.last != direction) ++state.turns;
  state.last = direction;
  std::string& prefix = state.prefix[static_cast<std::size_t>(direction)];
  if (prefix.empty()) return choose(direction, bytes, stamp);
  const Stamp before = state.stamp[static_cast<std::size_t>(direction)];
  const std::string start = std::exchange(prefix, {});
  const std::string joined = start + std::string(bytes);
  const WireFormat format = detect_wire(joined);
  if (format == WireFormat::kHttp2 || format == WireFormat::kNeedMore) {
    return choose(direction, joined, before);
  }
  search_http1(direction, start, before);  // where a chunk begins a message may begin: not joined
  if (!closed_ && verdict_ != ConnVerdict::kIgnore) decode(direction, bytes, stamp);
}

void Connection::choose(Direction direction, std::string_view bytes, Stamp stamp) {
  const WireFormat format = detect_wire(bytes);
  if (format == WireFormat::kNeedMore) {
    unknown_->prefix[static_cast<std::size_t>(direction)] = bytes;
    unknown_->stamp[static_cast<std::size_t>(direction)] = stamp;
    return;
  }
  if (format == WireFormat::kOther || format == WireFormat::kLateHttp2) {
    const auto side = looks_like_websocket(bytes);
    if (side) return join_websocket(direction, *side, bytes, stamp);
  }
  const bool guessed = unknown_->late_http2;
  if (guessed && format == WireFormat::kHttp1 && bytes.find('\n') != std::string_view::npos) {
    decoder_.reset();  // chance: the bytes of a body looked like frames
    unknown_->late_http2 = false;
    return search_http1(direction, bytes, stamp);
  }
  if (format == WireFormat::kHttp2 || (format == WireFormat::kLateHttp2 && !guessed)) {
    decoder_ = std::make_unique<Http2Decoder>();
    unknown_->late_http2 = true;
  }
  if (!unknown_->late_http2) return search_http1(direction, bytes, stamp);
  decoder_->feed(direction, bytes, stamp, *this);
  if (format == WireFormat::kHttp2 || requests_) settle();
}

void Connection::join_websocket(Direction direction, Side side, std::string_view bytes,
                                Stamp stamp) {
  const Direction client = side == Side::kRequest ? direction : opposite(direction);
  decoder_ = std::make_unique<WebSocketDecoder>(client);
  decoder_->feed(direction, bytes, stamp, *this);
  settle();
}

// A late attach may begin in the middle of an HTTP/1 message, so its decoder, which searches, gets
// everything that is nothing else. Held bytes come here while a guess of HTTP/2 is being tried, too.
void Connection::search_http1(Direction direction, std::string_view bytes, Stamp stamp) {
  if (!decoder_) decoder_ = std::make_unique<Http1Decoder>();
  decoder_->feed(direction, bytes, stamp, *this);
  if (unknown_->late_http2) {  // the guess stands until a start line contradicts it
    if (requests_) settle();
    return;
  }
  if (static_cast<const Http1Decoder&>(*decoder_).requests()) {
    settle();
  } else if (unknown_->turns >= kMaxTurns) {
    loss(LossReason::kNotHttp, unknown_->bytes);
    set_verdict(ConnVerdict::kIgnore);
    decoder_.reset();
    unknown_.reset();
  } else if (unknown_->bytes >= kMaxUnknownBytes) {
    set_verdict(ConnVerdict::kWatch);
  }
}

// Nothing follows: what was too short to tell goes on as what it may still be.
void Connection::give_prefixes() {
  for (const Direction direction : {Direction::kWrite, Direction::kRead}) {
    if (!unknown_) return;
    const auto i = static_cast<std::size_t>(direction);
    const std::string held = std::exchange(unknown_->prefix[i], {});
    if (!held.empty()) search_http1(direction, held, unknown_->stamp[i]);
  }
}

// The protocol is known: what was held back goes to its decoder.
void Connection::settle() {
  const auto before = std::move(unknown_);
  for (const Direction direction : {Direction::kWrite, Direction::kRead}) {
    const auto i = static_cast<std::size_t>(direction);
    if (before->prefix[i].empty()) continue;
    decoder_->feed(direction, before->prefix[i], before->stamp[i], *this);
  }
}

}  // namespace llmtap
