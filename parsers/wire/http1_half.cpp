// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/http1_half.h"

#include <algorithm>
#include <utility>

#include "parsers/wire/http1_chunk.h"

namespace llmtap {

namespace {

constexpr std::size_t kNone = std::string_view::npos;

}  // namespace

void Http1Half::feed(std::string_view bytes, Stamp stamp, Owner& owner) {
  fresh_ = false;
  if (text_.empty()) line_start_ = true;
  at_chunk_ = true;
  while (!bytes.empty()) {
    const std::size_t used = step(bytes, stamp, owner);
    at_chunk_ = at_chunk_ && used == 0;
    bytes.remove_prefix(used);
  }
}

std::size_t Http1Half::step(std::string_view in, Stamp stamp, Owner& owner) {
  switch (state_) {
    case State::kSync: return on_sync(in, owner);
    case State::kHead: return on_head(in, stamp, owner);
    case State::kSized: return on_sized(in, stamp, owner);
    case State::kChunkSize: return on_chunk_size(in, owner);
    case State::kChunkData: return on_chunk_data(in, stamp, owner);
    case State::kChunkEnd: return on_chunk_end(in, owner);
    case State::kTrailer: return on_trailer(in, stamp, owner);
    case State::kChunkSync: return on_chunk_sync(in, stamp, owner);
    case State::kUntilClose: owner.body(direction_, in, stamp); return in.size();
    case State::kTunnel: owner.tunnel(direction_, in, stamp); return in.size();
  }
  return in.size();
}

bool Http1Half::in_message() const {
  return state_ != State::kSync && state_ != State::kHead && state_ != State::kTunnel;
}

void Http1Half::expect_head() {
  guessing_ = false;
  state_ = State::kHead;
  unsure_ = false;
  std::string().swap(text_);
}

void Http1Half::enter_tunnel(Owner& owner) {
  count_skipped(owner);
  state_ = State::kTunnel;
  std::string().swap(text_);
}

void Http1Half::resync() {
  guessing_ = false;
  state_ = State::kSync;
  std::string().swap(text_);
  skip_reason_ = LossReason::kUnknownContext;
}

void Http1Half::lose_sync(Stamp stamp, Owner& owner, bool in_message) {
  resync();
  line_start_ = true;
  owner.lost_sync(direction_, in_message, stamp);
}

void Http1Half::count_skipped(Owner& owner) {
  if (skipped_ > 0) owner.loss(skip_reason_, skipped_);
  skipped_ = 0;
}

// Of the current body.
void Http1Half::report_skipped(Owner& owner) {
  if (skipped_ > 0) owner.missing(direction_, skipped_);
  skipped_ = 0;
}

bool Http1Half::acceptable(std::string_view text, const Owner& owner) const {
  const StartLine kind = classify_start_line(text);
  return kind == StartLine::kMaybe || (kind != StartLine::kNo && owner.accepts(direction_, kind));
}

std::size_t Http1Half::on_sync(std::string_view in, Owner& owner) {
  std::size_t at = 0;
  if (!line_start_) {
    at = in.find('\n');
    if (at != kNone) ++at;
  }
  while (at != kNone && at < in.size()) {
    if (in[at] >= 'A' && in[at] <= 'Z' && acceptable(in.substr(at), owner)) {
      skipped_ += at;
      state_ = State::kHead;
      unsure_ = true;
      return at;
    }
    at = in.find('\n', at);
    if (at != kNone) ++at;
  }
  line_start_ = at != kNone;
  skipped_ += in.size();
  return in.size();
}

// Looks on from `scanned_`. `end`: behind the head, or behind what cannot be part of one.
Http1Half::Scan Http1Half::scan_head(std::string_view text, const Owner& owner, std::size_t& end) {
  for (;;) {
    const std::size_t newline = text.substr(scanned_).find('\n');
    if (newline == kNone) {
      scanned_ = end = text.size();
      return line_ > 0 || acceptable(text, owner) ? Scan::kMore : Scan::kBad;
    }
    end = scanned_ + newline + 1;
    std::string_view line = text.substr(line_, end - 1 - line_);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line_ == 0) {
      if (!acceptable(text.substr(0, end), owner)) return Scan::kBad;
    } else if (line.empty()) {
      return Scan::kWhole;
    } else if (unsure_ && !is_field_line(line)) {
      return Scan::kBad;
    }
    line_ = scanned_ = end;
  }
}

std::size_t Http1Half::on_head(std::string_view in, Stamp stamp, Owner& owner) {
  const bool straddles = !text_.empty();
  const std::size_t before = text_.size();
  if (!straddles) {
    if (in.front() == '\r' || in.front() == '\n') return 1;  // RFC 9112 2.2: ignored
    line_ = scanned_ = 0;
    head_stamp_ = stamp;
  } else {
    text_.append(in.substr(0, kMaxHead - before));
  }
  const std::string_view text = straddles ? std::string_view(text_) : in.substr(0, kMaxHead);
  std::size_t end = 0;
  const Scan scan = scan_head(text, owner, end);
  if (scan == Scan::kWhole) {
    const std::string kept = std::move(text_);
    text_.clear();
    take_head(straddles ? std::string_view(kept).substr(0, end) : in.substr(0, end), true, stamp,
              owner);
    return end - before;
  }
  if (scan == Scan::kMore && text.size() < kMaxHead) {
    if (!straddles) text_.assign(text);
    return text.size() - before;
  }
  return drop_head(in, before, end, scan, stamp, owner);
}

// What was collected is no head, or too long for one: `end` of its bytes, `before` of them not
// from `in`.
std::size_t Http1Half::drop_head(std::string_view in, std::size_t before, std::size_t end, Scan scan,
                                 Stamp stamp, Owner& owner) {
  const bool in_first_line = line_ == 0;
  const std::size_t used = end - before;
  const bool ends_line = in[used - 1] == '\n';
  if (!unsure_) {
    lose_sync(stamp, owner, false);
    skip_reason_ = scan == Scan::kBad ? LossReason::kMalformedHttp : LossReason::kHeaderLimit;
  } else {
    const LossReason reason = skip_reason_;
    resync();
    skip_reason_ = scan == Scan::kBad ? reason : LossReason::kHeaderLimit;
    if (in_first_line && before > 0) {  // a guess at the end of the last chunk: this one may begin
      skipped_ += before;               // with a start line itself
      line_start_ = true;
      return 0;
    }
  }
  skipped_ += end;
  line_start_ = ends_line;
  return used;
}

void Http1Half::take_head(std::string_view text, bool whole, Stamp stamp, Owner& owner) {
  count_skipped(owner);
  skip_reason_ = LossReason::kUnknownContext;
  const Next next = owner.head(direction_, classify_start_line(text), text, whole, head_stamp_);
  switch (next.kind) {
    case Next::Kind::kBody: begin_body(next.framing, stamp, owner); break;
    case Next::Kind::kSilent: expect_head(); break;
    case Next::Kind::kTunnel: enter_tunnel(owner); break;
    case Next::Kind::kReject: lose_sync(stamp, owner, false); break;
  }
}

void Http1Half::begin_body(const BodyFraming& framing, Stamp stamp, Owner& owner) {
  remaining_ = framing.length;
  switch (framing.kind) {
    case BodyFraming::Kind::kNone: end_message(stamp, owner); break;
    case BodyFraming::Kind::kSized:
      state_ = State::kSized;
      if (remaining_ == 0) end_message(stamp, owner);
      break;
    case BodyFraming::Kind::kChunked: state_ = State::kChunkSize; break;
    case BodyFraming::Kind::kUntilClose: state_ = State::kUntilClose; break;
    case BodyFraming::Kind::kBroken:
      owner.loss(LossReason::kMalformedHttp, 0);
      lose_sync(stamp, owner, true);
      break;
  }
}

void Http1Half::end_message(Stamp stamp, Owner& owner) {
  expect_head();
  owner.done(direction_, stamp);
}

// RFC 9112 6.2
std::size_t Http1Half::on_sized(std::string_view in, Stamp stamp, Owner& owner) {
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, in.size()));
  remaining_ -= size;
  owner.body(direction_, in.substr(0, size), stamp);
  if (remaining_ == 0 && state_ == State::kSized) end_message(stamp, owner);
  return size;
}

// RFC 9112 7.1, 7.1.1
std::size_t Http1Half::on_chunk_size(std::string_view in, Owner& owner) {
  const std::size_t newline = in.find('\n');
  const std::size_t size = newline == kNone ? in.size() : newline;
  const std::size_t used = newline == kNone ? size : size + 1;
  if (text_.size() + size > kMaxChunkLine) return broken_chunk(used, owner);
  if (newline == kNone) {
    text_.append(in);
    return used;
  }
  std::string_view line = in.substr(0, size);
  if (!text_.empty()) line = text_.append(line);
  const auto length = parse_chunk_size(line);
  text_.clear();
  if (!length) return broken_chunk(used, owner);
  state_ = *length > 0 ? State::kChunkData : State::kTrailer;
  remaining_ = *length > 0 ? *length : kMaxTrailer;
  line_ = 0;
  return used;
}

std::size_t Http1Half::on_chunk_data(std::string_view in, Stamp stamp, Owner& owner) {
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, in.size()));
  remaining_ -= size;
  if (remaining_ == 0) state_ = State::kChunkEnd;
  owner.body(direction_, in.substr(0, size), stamp);
  return size;
}

std::size_t Http1Half::on_chunk_end(std::string_view in, Owner& owner) {
  if (in.front() == '\n') {
    state_ = State::kChunkSize;
    return 1;
  }
  if (in.front() != '\r') return broken_chunk(0, owner);
  if (in.size() == 1) return 1;
  if (in[1] != '\n') return broken_chunk(1, owner);
  state_ = State::kChunkSize;
  return 2;
}

// RFC 9112 7.1.2. `line_`: length of the line; text_: the lines so far.
std::size_t Http1Half::on_trailer(std::string_view in, Stamp stamp, Owner& owner) {
  const std::size_t newline = in.find('\n');
  const std::string_view span = in.substr(0, newline);
  const std::size_t used = newline == kNone ? in.size() : newline + 1;
  if (used > remaining_) return broken_chunk(used, owner);
  remaining_ -= used;
  if (span != "\r") line_ += span.size();
  text_.append(in.substr(0, used));
  if (newline == kNone) return used;
  if (line_ == 0) {
    if (text_.size() > 2) owner.trailers(direction_, text_);
    end_message(stamp, owner);
  }
  line_ = 0;
  return used;
}

std::size_t Http1Half::broken_chunk(std::size_t used, Owner& owner) {
  owner.loss(LossReason::kMalformedHttp, used);
  owner.missing(direction_, 0);
  text_.clear();
  state_ = State::kChunkSync;
  line_start_ = true;
  return used;
}

// Somewhere in a chunked body: the next line that is a chunk header, or the next message.
std::size_t Http1Half::on_chunk_sync(std::string_view in, Stamp stamp, Owner& owner) {
  const std::size_t newline = in.find('\n');
  const std::size_t used = newline == kNone ? in.size() : newline + 1;
  if (!line_start_) {
    skipped_ += used;
    line_start_ = newline != kNone;
    return used;
  }
  const std::size_t before = text_.size();
  if (before + used <= kMaxChunkLine) {
    text_.append(in.substr(0, used));
    const bool start = acceptable(text_, owner);
    if (newline == kNone && (start || maybe_chunk_header(text_))) return used;
    if (newline != kNone && start) {
      text_.resize(before);
      report_skipped(owner);
      state_ = State::kHead;
      unsure_ = true;
      guessing_ = false;
      line_ = scanned_ = 0;
      head_stamp_ = stamp;
      owner.lost_sync(direction_, true, stamp);
      return 0;
    }
    if (newline != kNone && plausible_chunk(text_, in.substr(used), at_chunk_)) {
      report_skipped(owner);
      guessing_ = true;
      state_ = State::kChunkSize;
      text_.resize(before);
      return 0;
    }
  }
  skipped_ += before + used;
  text_.clear();
  line_start_ = newline != kNone;
  return used;
}

void Http1Half::gap(std::uint64_t bytes, Stamp stamp, Owner& owner) {
  fresh_ = false;
  switch (state_) {
    case State::kTunnel: return;
    case State::kSync: return lose_sync(stamp, owner, false);
    case State::kHead: return gap_in_head(bytes, stamp, owner);
    case State::kUntilClose: return owner.missing(direction_, bytes);
    case State::kSized: break;
    default: return gap_in_chunk(bytes, owner);
  }
  if (bytes == 0) {
    owner.missing(direction_, 0);
    return lose_sync(stamp, owner, true);
  }
  const std::uint64_t here = std::min(bytes, remaining_);
  owner.missing(direction_, here);
  remaining_ -= here;
  if (remaining_ > 0) return;
  end_message(stamp, owner);
  if (bytes > here && state_ == State::kHead) lose_sync(stamp, owner, false);
}

// What was there of the head is enough for a call to be known by its path.
void Http1Half::gap_in_head(std::uint64_t bytes, Stamp stamp, Owner& owner) {
  const std::string kept = std::move(text_);
  const std::string_view lines = std::string_view(kept).substr(0, kept.empty() ? 0 : line_);
  text_.clear();
  if (lines.empty()) {
    skipped_ += kept.size();
    return lose_sync(stamp, owner, false);
  }
  count_skipped(owner);
  const Next next = owner.head(direction_, classify_start_line(lines), lines, false, head_stamp_);
  if (next.kind == Next::Kind::kTunnel) return enter_tunnel(owner);
  if (next.kind != Next::Kind::kBody) return lose_sync(stamp, owner, false);
  owner.missing(direction_, bytes);
  if (next.framing.kind != BodyFraming::Kind::kChunked) return lose_sync(stamp, owner, true);
  state_ = State::kChunkSync;
  line_start_ = true;
}

void Http1Half::cut_head(Stamp stamp, Owner& owner) {
  if (state_ == State::kHead && !text_.empty()) gap_in_head(0, stamp, owner);
}

void Http1Half::gap_in_chunk(std::uint64_t bytes, Owner& owner) {
  owner.missing(direction_, bytes);
  if (state_ == State::kChunkData && bytes > 0 && bytes <= remaining_) {
    remaining_ -= bytes;
    if (remaining_ == 0) state_ = State::kChunkEnd;
    return;
  }
  skipped_ += state_ == State::kChunkSync ? text_.size() : 0;
  text_.clear();
  state_ = State::kChunkSync;
  line_start_ = true;
}

void Http1Half::close(Stamp stamp, Owner& owner) {
  if (state_ == State::kUntilClose) end_message(stamp, owner);
  if (state_ == State::kSync || state_ == State::kHead) count_skipped(owner);
}

}  // namespace llmtap
