// SPDX-License-Identifier: Apache-2.0
//
// A JSON array that grows as the answer is generated (Gemini without alt=sse): '[' object
// *(',' object) ']', whitespace anywhere. Each object or array in it is one event as soon as it is
// closed; scalars between are passed over. Only brackets and strings are followed (RFC 8259 2, 7).
//
// Resync: a JSON string holds no raw newline, so a newline is outside of any string, and an object
// that begins a line at column 0 is an element: writers of growing arrays indent what is inside.
#include <algorithm>
#include <string>

#include "parsers/body/decoders.h"

namespace llmtap {
namespace {

class JsonArrayDecoder final : public BodyDecoder {
 public:
  explicit JsonArrayDecoder(const BodyLimits& limits) : limit_(limits.event) {}

  void feed(std::string_view bytes, TimeNs ts_ns, BodySink& sink) override {
    std::size_t at = 0;
    while (at < bytes.size()) {
      switch (state_) {
        case State::kStart: at = start(bytes, at, sink); break;
        case State::kBetween: at = between(bytes, at); break;
        case State::kElement: at = element(bytes, at, ts_ns, sink); break;
        case State::kResync: at = resync(bytes, at, sink); break;
        case State::kEnd: at = bytes.size(); break;
      }
    }
  }

  void gap(std::uint64_t) override {
    if (state_ == State::kEnd) return;
    clear_buffer(buffer_);
    gap_.set();
    line_start_ = false;
    state_ = State::kResync;
  }

  void finish(TimeNs, bool, BodySink& sink) override {
    if (state_ == State::kElement && !buffer_.empty() && !over_limit_) {
      sink.loss(LossReason::kMalformedBody, buffer_.size());
    }
    clear_buffer(buffer_);
    state_ = State::kEnd;
  }

  std::size_t memory() const override { return sizeof *this + buffer_.capacity(); }

 private:
  enum class State { kStart, kBetween, kElement, kResync, kEnd };
  static constexpr auto kNone = std::string_view::npos;

  static bool space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

  std::size_t start(std::string_view bytes, std::size_t at, BodySink& sink) {
    if (space(bytes[at])) return at + 1;
    if (bytes[at] == '[') {
      state_ = State::kBetween;
      return at + 1;
    }
    sink.loss(LossReason::kMalformedBody, bytes.size() - at);
    state_ = State::kEnd;
    return bytes.size();
  }

  std::size_t between(std::string_view bytes, std::size_t at) {
    switch (bytes[at]) {
      case '{':
      case '[':
        state_ = State::kElement;
        depth_ = 0;
        in_string_ = escaped_ = over_limit_ = false;
        return at;
      case ']': state_ = State::kEnd; return bytes.size();
      default: return at + 1;
    }
  }

  std::size_t element(std::string_view bytes, std::size_t at, TimeNs ts_ns, BodySink& sink) {
    const std::size_t end = close_of_element(bytes, at);
    const bool closed = end != kNone;
    const std::string_view part = bytes.substr(at, closed ? end - at : end);
    if (over_limit_ || buffer_.size() + part.size() > limit_) {
      sink.loss(LossReason::kBodyLimit, buffer_.size() + part.size());
      clear_buffer(buffer_);
      over_limit_ = true;
      gap_.set();
    } else if (!closed) {
      buffer_.append(part);
    } else if (buffer_.empty()) {
      gap_.emit(part, ts_ns, sink);
    } else {
      buffer_.append(part);
      gap_.emit(buffer_, ts_ns, sink);
      clear_buffer(buffer_);
    }
    if (!closed) return bytes.size();
    state_ = State::kBetween;
    return end;
  }

  // One behind the bracket that closes the element, or npos if it is not in this chunk.
  std::size_t close_of_element(std::string_view bytes, std::size_t at) {
    quote_known_ = false;
    while (at < bytes.size()) {
      if (in_string_) {
        at = end_of_string(bytes, at);
        continue;
      }
      const char c = bytes[at++];
      if (c == '"') {
        in_string_ = true;
      } else if (c == '{' || c == '[') {
        ++depth_;
      } else if ((c == '}' || c == ']') && --depth_ == 0) {
        return at;
      }
    }
    return kNone;
  }

  // Moves on inside a string: to the end of the chunk, behind an escape or behind the last quote.
  // The next quote (or that there is none in this chunk) is kept: escapes do not search again.
  std::size_t end_of_string(std::string_view bytes, std::size_t at) {
    if (escaped_) {
      escaped_ = false;
      return at + 1;
    }
    if (!quote_known_ || quote_ < at) quote_ = bytes.find('"', at);
    quote_known_ = true;
    const std::size_t end = std::min(quote_, bytes.size());
    const auto escape = bytes.substr(at, end - at).find('\\');
    if (escape != kNone) {
      escaped_ = true;
      return at + escape + 1;
    }
    in_string_ = end == bytes.size();
    return end + 1;
  }

  std::size_t resync(std::string_view bytes, std::size_t at, BodySink& sink) {
    const std::size_t from = at;
    for (; at < bytes.size(); ++at) {
      if (line_start_ && bytes[at] == '{') {
        state_ = State::kBetween;
        break;
      }
      // "[{" and ",{" at the start of a line are elements as well.
      line_start_ = bytes[at] == '\n' || (line_start_ && (bytes[at] == ',' || bytes[at] == '['));
    }
    if (at > from) sink.loss(LossReason::kMalformedBody, at - from);
    return at;
  }

  std::size_t limit_;
  State state_ = State::kStart;
  std::string buffer_;  // an element that began in an earlier chunk
  std::uint64_t depth_ = 0;
  std::size_t quote_ = 0;
  bool quote_known_ = false;
  bool in_string_ = false;
  bool escaped_ = false;
  bool over_limit_ = false;
  bool line_start_ = false;
  GapMark gap_;
};

}  // namespace

std::unique_ptr<BodyDecoder> make_json_array(const BodyLimits& limits) {
  return std::make_unique<JsonArrayDecoder>(limits);
}

}  // namespace llmtap
