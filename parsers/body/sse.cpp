// SPDX-License-Identifier: Apache-2.0
//
// Server-sent events, WHATWG HTML 9.2.5-9.2.6:
//   stream = [BOM] *event;  event = *(comment / field) EOL;  EOL = CR LF / LF / CR
//   field  = name [":" [SP] value] EOL      known: event, data (id and retry change nothing here)
// One liberty: at the end of a complete body the last event counts even without its blank line;
// several servers leave it out and browsers' reconnection does not concern an observer.
//
// Resync: after a gap, or an event over its limit, everything up to the next blank line is dropped.
#include <cstring>
#include <string>

#include "parsers/body/decoders.h"

namespace llmtap {
namespace {

constexpr std::size_t kNone = std::string_view::npos;

// Finds ends of line in one chunk; each byte is looked at twice at most, however the two kinds mix.
class LineEnds {
 public:
  explicit LineEnds(std::string_view bytes) : bytes_(bytes) {}

  std::size_t next(std::size_t from) {
    if (lf_ != kNone && (lf_ < from || first_)) lf_ = find('\n', from);
    if (cr_ != kNone && (cr_ < from || first_)) cr_ = find('\r', from);
    first_ = false;
    return lf_ < cr_ ? lf_ : cr_;
  }

 private:
  std::size_t find(char c, std::size_t from) const {
    if (from >= bytes_.size()) return kNone;
    const void* hit = std::memchr(bytes_.data() + from, c, bytes_.size() - from);
    return hit == nullptr ? kNone
                          : static_cast<std::size_t>(static_cast<const char*>(hit) - bytes_.data());
  }

  std::string_view bytes_;
  std::size_t lf_ = 0;
  std::size_t cr_ = 0;
  bool first_ = true;
};

class SseDecoder final : public BodyDecoder {
 public:
  explicit SseDecoder(const BodyLimits& limits) : limit_(limits.event) {}

  void feed(std::string_view bytes, TimeNs ts_ns, BodySink& sink) override {
    std::size_t at = 0;
    if (after_cr_ && !bytes.empty()) {
      if (bytes.front() == '\n') at = 1;
      after_cr_ = false;
    }
    LineEnds ends(bytes);
    while (at < bytes.size()) {
      const std::size_t end = ends.next(at);
      if (end == kNone) {
        hold(bytes.substr(at), sink);
        break;
      }
      end_line(bytes.substr(at, end - at), ts_ns, sink);
      at = end + 1;
      if (bytes[end] == '\r') {
        if (at == bytes.size()) after_cr_ = true;
        if (at < bytes.size() && bytes[at] == '\n') ++at;
      }
    }
    keep_data();
  }

  void gap(std::uint64_t) override {
    drop_event();
    clear_buffer(line_);
    after_cr_ = false;
    line_started_ = true;  // what comes next is the rest of some line
    first_line_ = false;
    skipping_ = after_gap_ = true;
  }

  void finish(TimeNs ts_ns, bool complete, BodySink& sink) override {
    const bool cut = line_started_ && !complete;
    if (complete && line_started_ && !skipping_) end_line({}, ts_ns, sink);
    if (!cut && !skipping_ && has_data_) dispatch(ts_ns, sink);
    if (skipping_) report_dropped(sink);
    drop_event();
    clear_buffer(line_);
  }

  std::size_t memory() const override {
    return sizeof *this + line_.capacity() + data_.capacity() + name_.capacity();
  }
  bool streamed() const override { return true; }

 private:
  // The end of the chunk lies inside a line.
  void hold(std::string_view part, BodySink& sink) {
    line_started_ = true;
    if (skipping_) {
      dropped_ += part.size();
      return;
    }
    if (line_.size() + data_size() + part.size() > limit_) {
      over_limit(line_.size() + part.size(), sink);
      return;
    }
    line_.append(part);
  }

  void end_line(std::string_view part, TimeNs ts_ns, BodySink& sink) {
    const bool blank = part.empty() && !line_started_;
    line_started_ = false;
    if (skipping_) {
      dropped_ += part.size();
      if (blank) {
        skipping_ = false;
        report_dropped(sink);
      }
      return;
    }
    if (blank) {
      dispatch(ts_ns, sink);
      return;
    }
    if (line_.size() + data_size() + part.size() > limit_) {
      over_limit(line_.size() + part.size(), sink);
      return;
    }
    if (line_.empty()) {
      field(part, true);
    } else {
      line_.append(part);
      field(line_, false);
      clear_buffer(line_);
    }
  }

  // `stable`: the view outlives this line (it lies in the caller's chunk).
  void field(std::string_view line, bool stable) {
    if (first_line_ && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
    first_line_ = false;
    const auto colon = line.find(':');
    const std::string_view name = line.substr(0, colon);
    std::string_view value = colon == kNone ? std::string_view{} : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (name == "event") {
      name_.assign(value);
    } else if (name == "data") {
      add_data(value, stable);
    }
  }

  void add_data(std::string_view value, bool stable) {
    if (!has_data_) {
      has_data_ = true;
      if (stable) {
        data_view_ = value;
        data_in_chunk_ = true;
      } else {
        data_.assign(value);
      }
      return;
    }
    keep_data();
    data_.push_back('\n');
    data_.append(value);
  }

  // Copies what still lies in the caller's chunk.
  void keep_data() {
    if (!data_in_chunk_) return;
    data_.assign(data_view_);
    data_in_chunk_ = false;
  }

  void dispatch(TimeNs ts_ns, BodySink& sink) {
    if (has_data_) {
      BodyEvent event;
      event.ts_ns = ts_ns;
      event.name = name_;
      event.data = data_in_chunk_ ? data_view_ : std::string_view(data_);
      event.after_gap = after_gap_;
      after_gap_ = false;
      sink.event(event);
    }
    drop_event();
  }

  void drop_event() {
    has_data_ = data_in_chunk_ = false;
    data_view_ = {};
    clear_buffer(data_);
    name_.clear();
  }

  void over_limit(std::size_t bytes, BodySink& sink) {
    sink.loss(LossReason::kBodyLimit, data_size() + bytes);
    drop_event();
    clear_buffer(line_);
    skipping_ = after_gap_ = true;
  }

  void report_dropped(BodySink& sink) {
    if (dropped_ > 0) sink.loss(LossReason::kMalformedBody, dropped_);
    dropped_ = 0;
  }

  std::size_t data_size() const {
    return name_.size() + (data_in_chunk_ ? data_view_.size() : data_.size());
  }

  std::size_t limit_;
  std::string line_;  // a line that began in an earlier chunk
  bool line_started_ = false;
  bool after_cr_ = false;  // the last chunk ended with CR: a LF now belongs to it
  bool first_line_ = true;
  std::string name_;
  std::string data_;
  std::string_view data_view_;  // instead of data_ while it lies in one chunk
  bool data_in_chunk_ = false;
  bool has_data_ = false;
  bool skipping_ = false;  // until a blank line
  bool after_gap_ = false;
  std::uint64_t dropped_ = 0;
};

}  // namespace

std::unique_ptr<BodyDecoder> make_sse(const BodyLimits& limits) {
  return std::make_unique<SseDecoder>(limits);
}

}  // namespace llmtap
