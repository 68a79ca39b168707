// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/http2_reader.h"

#include <algorithm>
#include <utility>

namespace llmtap {
namespace {

std::string_view take(std::string_view& bytes, std::size_t size) {
  const std::string_view taken = bytes.substr(0, size);
  bytes.remove_prefix(taken.size());
  return taken;
}

}  // namespace

void FrameReader::feed(std::string_view bytes, FrameEvents& events) {
  while (!bytes.empty() && state_ != State::kDead) {
    if (state_ == State::kSearch) {
      search(bytes, events);
    } else {
      step(bytes, events);
    }
  }
}

void FrameReader::step(std::string_view& bytes, FrameEvents& events) {
  switch (state_) {
    case State::kStart:
      return start(bytes, events);
    case State::kHeader:
      return header(bytes, events);
    case State::kPadLength:
      return pad_length(bytes, events);
    case State::kData:
      return data(bytes, events);
    case State::kWhole:
      return whole(bytes, events);
    case State::kSkip:
      return skip(bytes, events);
    case State::kSearch:
    case State::kDead:
      return;
  }
}

// 3.4: the client begins with the preface, the server with SETTINGS. Anything else: joined late.
void FrameReader::start(std::string_view& bytes, FrameEvents& events) {
  bytes_[filled_++] = take(bytes, 1)[0];
  const std::string_view seen(bytes_.data(), filled_);
  if (kHttp2Preface.starts_with(seen)) {
    if (filled_ < kHttp2Preface.size()) return;
    filled_ = 0;
    exact_ = true;
    state_ = State::kHeader;
    return events.preface();
  }
  if (filled_ < FrameHeader::kSize) return;
  if (looks_like_http2(seen)) {
    exact_ = true;
    filled_ = 0;
    frame_ = parse_frame_header(seen);
    return begin_frame(events);
  }
  searching().append(seen);
  lose_alignment(events);
}

// 4.1
void FrameReader::header(std::string_view& bytes, FrameEvents& events) {
  const auto part = take(bytes, FrameHeader::kSize - filled_);
  std::copy(part.begin(), part.end(), bytes_.begin() + filled_);
  filled_ = static_cast<std::uint8_t>(filled_ + part.size());
  if (filled_ < FrameHeader::kSize) return;
  filled_ = 0;
  frame_ = parse_frame_header({bytes_.data(), FrameHeader::kSize});
  if (acceptable(frame_)) return begin_frame(events);
  violation(events);
  if (state_ == State::kSearch) unread_ = FrameHeader::kSize - 1;  // one may begin inside this one
}

// 4.2 and 6.10. When the other side's SETTINGS may have been missed, DATA may be of any size.
bool FrameReader::acceptable(const FrameHeader& h) const {
  const std::uint32_t limit = !exact_ && h.type == FrameType::kData ? kLargestMaxFrame : max_frame_;
  if (h.length > limit || !is_valid(h)) return false;
  if (!in_block_) return h.type != FrameType::kContinuation;
  return h.type == FrameType::kContinuation && h.stream == block_header_.stream;
}

void FrameReader::begin_frame(FrameEvents& events) {
  left_ = frame_.length;
  pad_ = 0;
  switch (frame_.type) {
    case FrameType::kData:
      state_ = frame_.has(FrameHeader::kPadded) ? State::kPadLength : State::kData;
      if (left_ == 0) end_data(events);
      return;
    case FrameType::kHeaders:
    case FrameType::kPushPromise:
    case FrameType::kContinuation:
      state_ = State::kWhole;
      if (left_ + block_.size() > kMaxBlock) pass_over_payload(events);
      break;
    case FrameType::kRstStream:
    case FrameType::kSettings:
    case FrameType::kGoaway:
      state_ = State::kWhole;
      if (left_ > kMaxControl) pass_over_payload(events);
      break;
    default:  // 5.5: flow control, PING and extensions do not matter to an observer
      state_ = left_ == 0 ? State::kHeader : State::kSkip;
      return;
  }
  if (left_ == 0 && state_ == State::kWhole) deliver({}, events);
}

// 6.1
void FrameReader::pad_length(std::string_view& bytes, FrameEvents& events) {
  pad_ = static_cast<std::uint8_t>(take(bytes, 1)[0]);
  if (--left_ < pad_) return violation(events);
  left_ -= pad_;
  state_ = State::kData;
  if (left_ + pad_ == 0) end_data(events);
}

void FrameReader::data(std::string_view& bytes, FrameEvents& events) {
  const auto part = take(bytes, left_);
  left_ -= static_cast<std::uint32_t>(part.size());
  if (!part.empty()) events.data(frame_.stream, part);
  if (left_ == 0) pad_ -= static_cast<std::uint32_t>(take(bytes, pad_).size());
  if (left_ + pad_ == 0) end_data(events);
}

void FrameReader::end_data(FrameEvents& events) {
  state_ = State::kHeader;
  events.data_end(frame_);
}

void FrameReader::skip(std::string_view& bytes, FrameEvents&) {
  left_ -= static_cast<std::uint32_t>(take(bytes, left_).size());
  if (left_ == 0) state_ = State::kHeader;
}

// Payloads that are looked into: a view when it is whole in one piece, else joined.
void FrameReader::whole(std::string_view& bytes, FrameEvents& events) {
  const auto part = take(bytes, left_);
  left_ -= static_cast<std::uint32_t>(part.size());
  if (left_ == 0 && buffer_.empty()) return deliver(part, events);
  buffer_.append(part);
  if (left_ != 0) return;
  const std::string payload = std::move(buffer_);
  buffer_ = std::string();
  deliver(payload, events);
}

void FrameReader::deliver(std::string_view payload, FrameEvents& events) {
  state_ = State::kHeader;
  if (frame_.type == FrameType::kContinuation) {
    return join_block(payload, frame_.has(FrameHeader::kEndHeaders), events);
  }
  if (frame_.type == FrameType::kHeaders || frame_.type == FrameType::kPushPromise) {
    return deliver_headers(payload, events);
  }
  events.control(frame_, payload);
}

// 6.2 and 6.6: pad length, priority or promised stream, fragment, padding.
void FrameReader::deliver_headers(std::string_view payload, FrameEvents& events) {
  std::size_t pad = 0;
  if (frame_.has(FrameHeader::kPadded) && !payload.empty()) {
    pad = static_cast<std::uint8_t>(take(payload, 1)[0]);
  }
  const bool push = frame_.type == FrameType::kPushPromise;
  const std::size_t prefix = push ? 4 : frame_.has(FrameHeader::kPriority) ? 5 : 0;
  if (payload.size() < prefix + pad) return violation(events);
  payload.remove_prefix(prefix);
  payload.remove_suffix(pad);
  block_header_ = frame_;
  join_block(payload, frame_.has(FrameHeader::kEndHeaders), events);
}

// 6.10
void FrameReader::join_block(std::string_view fragment, bool end, FrameEvents& events) {
  in_block_ = !end;
  if (!end || !block_.empty()) block_.append(fragment);
  if (!end) return;
  const bool lost = std::exchange(block_lost_, false);
  const std::string joined = std::move(block_);
  block_ = std::string();
  const std::string_view block = lost ? std::string_view() : joined.empty() ? fragment : joined;
  if (!events.block(block_header_, block, lost)) violation(events);
}

void FrameReader::pass_over_payload(FrameEvents& events) {
  events.over_limit(left_);
  payload_lost(events);
}

// The payload of `frame_` will not be had: the framing goes on behind it.
void FrameReader::payload_lost(FrameEvents& events) {
  buffer_ = std::string();
  state_ = left_ == 0 ? State::kHeader : State::kSkip;
  const bool headers = frame_.type == FrameType::kHeaders || frame_.type == FrameType::kPushPromise;
  if (!headers && frame_.type != FrameType::kContinuation) return events.control(frame_, {});
  if (headers) block_header_ = frame_;
  block_ = std::string();
  block_lost_ = true;
  join_block({}, frame_.has(FrameHeader::kEndHeaders), events);
}

FrameSearch& FrameReader::searching() {
  if (!search_) search_ = std::make_unique<FrameSearch>();
  return *search_;
}

void FrameReader::search(std::string_view& bytes, FrameEvents& events) {
  FrameSearch& search = searching();
  search.append({bytes_.data() + (FrameHeader::kSize - unread_), unread_});
  unread_ = 0;
  search.append(take(bytes, kDefaultMaxFrame));
  while (state_ == State::kSearch && search.find()) {
    state_ = State::kHeader;
    std::string_view found = search.found();
    const std::size_t size = found.size();
    while (!found.empty() && state_ != State::kSearch && state_ != State::kDead) {
      step(found, events);
    }
    search.resume(size - found.size() - std::exchange(unread_, 0));
  }
  if (state_ != State::kSearch) search.clear();
  if (const auto skipped = search.take_skipped(); skipped != 0) events.skipped(skipped);
  if (state_ != State::kSearch) search_.reset();
}

void FrameReader::gap(std::uint64_t bytes, FrameEvents& events) {
  const bool in_payload =
      state_ == State::kData || state_ == State::kSkip || state_ == State::kWhole;
  const std::uint64_t size = bytes == 0 ? std::uint64_t{left_} + pad_ + 1 : bytes;
  if (state_ == State::kDead) return;
  if (!in_payload) return lose_alignment(events);
  const auto lost = static_cast<std::uint32_t>(std::min<std::uint64_t>(size, left_));
  const auto lost_pad = static_cast<std::uint32_t>(std::min<std::uint64_t>(size - lost, pad_));
  left_ -= lost;
  pad_ -= lost_pad;
  if (state_ == State::kData) {
    if (lost != 0) events.data_lost(frame_.stream, lost);
    if (left_ + pad_ == 0) end_data(events);
  } else if (state_ == State::kWhole) {
    payload_lost(events);
  } else if (left_ == 0) {
    state_ = State::kHeader;
  }
  if (size > lost + lost_pad && state_ != State::kDead) lose_alignment(events);
}

void FrameReader::close(FrameEvents& events) {
  if (!search_) return;
  search_->clear();
  if (const auto skipped = search_->take_skipped(); skipped != 0) events.skipped(skipped);
}

void FrameReader::violation(FrameEvents& events) {
  if (!exact_) return lose_alignment(events);
  state_ = State::kDead;
  events.violated();
}

void FrameReader::lose_alignment(FrameEvents& events) {
  if (state_ == State::kSearch && search_) search_->clear();
  state_ = State::kSearch;
  exact_ = false;
  in_block_ = block_lost_ = false;
  filled_ = unread_ = 0;
  buffer_ = std::string();
  block_ = std::string();
  events.unaligned();
}

}  // namespace llmtap
