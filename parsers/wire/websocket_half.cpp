// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/websocket_half.h"

#include <algorithm>
#include <utility>

namespace llmtap {
namespace {

constexpr std::size_t kSlice = 16 * 1024;  // looked at, or unmasked, in one go

std::string_view take(std::string_view& bytes, std::uint64_t size) {
  const std::string_view taken = bytes.substr(0, std::min<std::uint64_t>(size, bytes.size()));
  bytes.remove_prefix(taken.size());
  return taken;
}

}  // namespace

WebSocketHalf::WebSocketHalf(StreamId stream, Side side, std::optional<DeflateTerms> deflate,
                             bool late)
    : stream_(stream), side_(side), exact_(!late), known_context_(!late) {
  if (deflate) inflater_ = std::make_unique<MessageInflater>(*deflate);
  if (late) lose_alignment();
}

std::size_t WebSocketHalf::memory() const {
  return sizeof *this + message_.capacity() +
         (inflater_ ? sizeof *inflater_ + inflater_->memory() : 0) +
         (search_ ? sizeof *search_ + search_->memory() : 0);
}

void WebSocketHalf::feed(std::string_view bytes, Stamp stamp, ExchangeSink& sink) {
  while (!bytes.empty() && state_ != State::kDead) {
    if (state_ == State::kSearch) {
      search(bytes, stamp, sink);
    } else {
      step(bytes, stamp, sink);
    }
  }
  if (state_ == State::kDead && !bytes.empty()) sink.loss(LossReason::kMalformedHttp, bytes.size());
}

void WebSocketHalf::step(std::string_view& bytes, Stamp stamp, ExchangeSink& sink) {
  if (state_ == State::kHeader) {
    header(bytes, stamp, sink);
  } else {
    payload(bytes, stamp, sink);
  }
}

// 5.2: two to fourteen bytes, one at a time because the first ones say how many there are.
void WebSocketHalf::header(std::string_view& bytes, Stamp stamp, ExchangeSink& sink) {
  HeaderParse parse = HeaderParse::kNeedMore;
  while (!bytes.empty() && parse == HeaderParse::kNeedMore) {
    bytes_[filled_++] = take(bytes, 1)[0];
    parse = parse_websocket_header({bytes_.data(), filled_}, frame_);
  }
  if (parse == HeaderParse::kNeedMore) return;
  const std::uint8_t seen = std::exchange(filled_, std::uint8_t{0});
  if (parse == HeaderParse::kOk && acceptable()) return begin_frame(stamp, sink);
  violation(sink);
  if (state_ == State::kSearch) unread_ = seen - 1;  // a frame may begin inside this one
}

// 5.1: the client masks, the server does not. 5.4: what may follow what. RFC 7692 6: RSV1 is on
// the first frame of a message, and only if it was negotiated.
bool WebSocketHalf::acceptable() const {
  if (frame_.masked != (side_ == Side::kRequest)) return false;
  if (frame_.is_control()) return true;
  if (frame_.opcode == Opcode::kContinuation) {
    return !frame_.compressed && (in_message_ || !exact_);
  }
  return !in_message_ && (!frame_.compressed || inflater_ != nullptr);
}

void WebSocketHalf::begin_frame(Stamp stamp, ExchangeSink& sink) {
  state_ = State::kPayload;
  left_ = frame_.length;
  if (frame_.opcode == Opcode::kClose) closed_ = true;
  if (!frame_.is_control()) begin_data();
  if (left_ == 0) end_frame(stamp, sink);
}

void WebSocketHalf::begin_data() {
  const bool first = frame_.opcode != Opcode::kContinuation;
  if (first) {
    text_ = frame_.opcode == Opcode::kText;
    compressed_ = frame_.compressed;
  }
  if (!in_message_) {
    in_message_ = true;
    wire_size_ = 0;
    dropped_.reset();
    if (!first) return drop(LossReason::kUnknownContext);  // we did not see where it began
  }
  wire_size_ = frame_.length > kMaxMessage ? frame_.length : wire_size_ + frame_.length;
  if (wire_size_ > kMaxMessage) return drop(LossReason::kBodyLimit);
  if (first && compressed_ && !inflater_->begin(kMaxMessage)) drop(inflate_loss());
}

void WebSocketHalf::payload(std::string_view& bytes, Stamp stamp, ExchangeSink& sink) {
  const bool plain = !frame_.is_control() && frame_.fin && !frame_.masked && !compressed_ &&
                     frame_.opcode != Opcode::kContinuation && !dropped_;
  if (plain && left_ == frame_.length && bytes.size() >= left_) {  // nothing to copy
    const std::string_view message = take(bytes, left_);
    state_ = State::kHeader;
    in_message_ = false;
    return sink.message(stream_, side_, message, text_, stamp);
  }
  const std::string_view part = take(bytes, std::min<std::uint64_t>(left_, kSlice));
  if (!frame_.is_control() && !dropped_) data(part);
  left_ -= part.size();
  if (left_ == 0) end_frame(stamp, sink);
}

void WebSocketHalf::data(std::string_view bytes) {
  const std::uint64_t offset = frame_.length - left_;
  if (compressed_) {
    if (!inflate(bytes, offset)) drop(inflate_loss());
  } else if (frame_.masked) {
    append_unmasked(bytes, frame_.key, offset, message_);
  } else {
    message_.append(bytes);
  }
}

bool WebSocketHalf::inflate(std::string_view bytes, std::uint64_t offset) {
  if (!frame_.masked) return inflater_->feed(bytes, message_);
  std::string plain;
  append_unmasked(bytes, frame_.key, offset, plain);
  return inflater_->feed(plain, message_);
}

void WebSocketHalf::end_frame(Stamp stamp, ExchangeSink& sink) {
  state_ = State::kHeader;
  if (!frame_.is_control() && frame_.fin) end_message(stamp, sink);
}

void WebSocketHalf::end_message(Stamp stamp, ExchangeSink& sink) {
  in_message_ = false;
  if (!dropped_ && compressed_ && !inflater_->finish(message_)) drop(inflate_loss());
  const std::string message = std::exchange(message_, std::string());
  if (!dropped_) return sink.message(stream_, side_, message, text_, stamp);
  if (*dropped_ == LossReason::kGap) return;  // reported when it happened
  sink.gap(stream_, side_, wire_size_);
  sink.loss(*dropped_, wire_size_);
}

// RFC 7692 7.2.2: what a broken message does to the window is unknown, like one that was lost.
LossReason WebSocketHalf::inflate_loss() const {
  if (inflater_->over_limit()) return LossReason::kBodyLimit;
  return known_context_ ? LossReason::kBadCoding : LossReason::kUnknownContext;
}

// The current message cannot be had: what follows of it is passed over and reported at its end.
void WebSocketHalf::drop(LossReason reason) {
  if (dropped_) return;
  dropped_ = reason;
  message_ = std::string();
  if (!compressed_) return;
  inflater_->lose();
  known_context_ = false;
}

void WebSocketHalf::search(std::string_view& bytes, Stamp stamp, ExchangeSink& sink) {
  search_->append({bytes_.data() + 1, unread_});
  unread_ = 0;
  search_->append(take(bytes, kSlice));
  while (state_ == State::kSearch && search_->find()) {
    state_ = State::kHeader;
    std::string_view found = search_->found();
    const std::size_t size = found.size();
    while (!found.empty() && (state_ == State::kHeader || state_ == State::kPayload)) {
      step(found, stamp, sink);
    }
    search_->resume(size - found.size() - std::exchange(unread_, std::uint8_t{0}));
  }
  if (state_ != State::kSearch) search_->clear();
  if (const auto skipped = search_->take_skipped(); skipped != 0) {
    sink.loss(LossReason::kUnknownContext, skipped);
  }
  if (state_ != State::kSearch) search_.reset();
}

void WebSocketHalf::gap(std::uint64_t bytes, ExchangeSink& sink) {
  if (state_ == State::kDead) return;
  const bool in_payload = state_ == State::kPayload && bytes != 0 && bytes <= left_;
  if (!in_payload || !frame_.is_control()) sink.gap(stream_, side_, bytes);
  if (!in_payload) return lose_alignment();
  left_ -= bytes;
  if (!frame_.is_control()) drop(LossReason::kGap);
  if (left_ != 0) return;
  state_ = State::kHeader;
  if (!frame_.is_control() && frame_.fin) in_message_ = false;
}

void WebSocketHalf::violation(ExchangeSink& sink) {
  if (!exact_) {
    sink.gap(stream_, side_, 0);
    return lose_alignment();
  }
  state_ = State::kDead;
  message_ = std::string();
  sink.gap(stream_, side_, 0);
  sink.loss(LossReason::kMalformedHttp, 0);
}

// Frames may be missing: so is whatever they put into the sender's window.
void WebSocketHalf::lose_alignment() {
  if (state_ == State::kSearch && search_) search_->clear();
  if (!search_) search_ = std::make_unique<WebSocketSearch>(side_ == Side::kRequest);
  state_ = State::kSearch;
  exact_ = known_context_ = in_message_ = false;
  filled_ = unread_ = 0;
  message_ = std::string();
  if (inflater_) inflater_->lose();
}

}  // namespace llmtap
