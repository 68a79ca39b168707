// SPDX-License-Identifier: Apache-2.0
//
// multipart/form-data (RFC 7578, RFC 2046 5.1.1):
//   ["preamble" CRLF] "--" boundary CRLF headers CRLF CRLF content CRLF "--" boundary ... "--"
// One event per part: a field with its value, a file with its size only (`skipped`).
//
// Resync: the next boundary. A file goes on through a gap, its size including the lost bytes; a
// field or a head that a gap cut is dropped.
#include <algorithm>
#include <cctype>
#include <string>

#include "parsers/body/decoders.h"

namespace llmtap {
namespace {

constexpr std::size_t kMaxHead = 16 * 1024;

bool equals(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() &&
         std::equal(text.begin(), text.end(), lower.begin(), [](unsigned char a, char b) {
           return static_cast<char>(std::tolower(a)) == b;
         });
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// The next `;`-separated piece that a quoted string does not hide.
std::string_view next_piece(std::string_view& value) {
  bool quoted = false;
  std::size_t at = 0;
  for (; at < value.size() && (quoted || value[at] != ';'); ++at) {
    if (value[at] == '"') quoted = !quoted;
    if (value[at] == '\\' && quoted && at + 1 < value.size()) ++at;
  }
  const std::string_view piece = value.substr(0, at);
  value.remove_prefix(std::min(at + 1, value.size()));
  return piece;
}

std::string unquote(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::string(text);
  std::string out;
  for (std::size_t at = 1; at + 1 < text.size(); ++at) {
    if (text[at] == '\\' && at + 2 < text.size()) ++at;
    out.push_back(text[at]);
  }
  return out;
}

struct Part {
  std::string name;
  std::string file_name;
  std::string media_type;
  bool file = false;
};

Part read_head(std::string_view head) {
  Part part;
  while (!head.empty()) {
    const auto end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end == std::string_view::npos ? head.size() : end + 2);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    std::string_view value = trim(line.substr(colon + 1));
    if (equals(trim(line.substr(0, colon)), "content-type")) part.media_type = std::string(value);
    if (!equals(trim(line.substr(0, colon)), "content-disposition")) continue;
    while (!value.empty()) {
      const std::string_view piece = next_piece(value);
      const auto equal = piece.find('=');
      if (equal == std::string_view::npos) continue;
      const std::string_view key = trim(piece.substr(0, equal));
      const std::string text = unquote(trim(piece.substr(equal + 1)));
      if (equals(key, "name")) part.name = text;
      if (equals(key, "filename") || equals(key, "filename*")) {
        part.file = true;
        if (part.file_name.empty()) part.file_name = text;
      }
    }
  }
  return part;
}

class MultipartDecoder final : public BodyDecoder {
 public:
  MultipartDecoder(std::string_view boundary, const BodyLimits& limits)
      : delimiter_("\r\n--" + std::string(boundary)), limit_(limits.event) {
    buffer_ = "\r\n";  // the first boundary may stand at the very start
  }

  void feed(std::string_view bytes, TimeNs ts_ns, BodySink& sink) override {
    if (state_ == State::kEnd) return;
    buffer_.append(bytes);
    while (step(ts_ns, sink)) {
    }
    buffer_.erase(0, at_);
    scanned_ -= at_;
    at_ = 0;
  }

  void gap(std::uint64_t bytes) override {
    if (state_ == State::kEnd) return;
    after_gap_ = true;
    if (state_ == State::kContent && part_.file) {
      size_ += buffer_.size() + bytes;
    } else {
      state_ = State::kPreamble;
    }
    clear_buffer(buffer_);
    scanned_ = 0;
  }

  void finish(TimeNs ts_ns, bool, BodySink& sink) override {
    if (state_ == State::kContent && part_.file) {
      size_ += buffer_.size();
      after_gap_ = true;  // its end was never seen
      emit({}, ts_ns, sink);
    } else if (state_ != State::kEnd && state_ != State::kPreamble) {
      sink.loss(LossReason::kMalformedBody, buffer_.size());
    }
    clear_buffer(buffer_);
    state_ = State::kEnd;
  }

  std::size_t memory() const override { return sizeof *this + buffer_.capacity(); }

 private:
  enum class State { kPreamble, kBoundary, kHead, kContent, kEnd };

  // Works on buffer_ from at_ on. False: more bytes are needed.
  bool step(TimeNs ts_ns, BodySink& sink) {
    switch (state_) {
      case State::kPreamble: return content(ts_ns, sink);
      case State::kBoundary: return boundary();
      case State::kHead: return head(sink);
      case State::kContent: return content(ts_ns, sink);
      case State::kEnd: at_ = scanned_ = buffer_.size(); return false;
    }
    return false;
  }

  // Up to the next delimiter; what comes before it is a part's content or the preamble.
  bool content(TimeNs ts_ns, BodySink& sink) {
    const bool keeps = state_ == State::kContent && !part_.file && !over_limit_;
    const auto found = buffer_.find(delimiter_, scanned_);
    if (found == std::string::npos) {
      // The delimiter may have begun in the last bytes.
      const std::size_t tail = std::min(buffer_.size() - at_, delimiter_.size() - 1);
      scanned_ = std::max(scanned_, buffer_.size() - tail);
      if (keeps && buffer_.size() - at_ <= limit_ + tail) return false;
      if (keeps) over_limit(sink);
      size_ += scanned_ - at_;
      at_ = scanned_;
      return false;
    }
    size_ += found - at_;
    if (state_ == State::kContent && !over_limit_) {
      if (keeps && found - at_ > limit_) {
        over_limit(sink);
      } else {
        emit(std::string_view(buffer_).substr(at_, keeps ? found - at_ : 0), ts_ns, sink);
      }
    }
    at_ = scanned_ = found + delimiter_.size();
    state_ = State::kBoundary;
    return true;
  }

  void over_limit(BodySink& sink) {
    sink.loss(LossReason::kBodyLimit, buffer_.size() - at_);
    over_limit_ = after_gap_ = true;
  }

  // Behind a boundary: "--" ends the body, spaces and CRLF begin a part.
  bool boundary() {
    while (at_ < buffer_.size() && (buffer_[at_] == ' ' || buffer_[at_] == '\t')) ++at_;
    scanned_ = at_;
    if (buffer_.size() - at_ < 2) return false;
    if (buffer_.compare(at_, 2, "--") == 0) {
      state_ = State::kEnd;
    } else if (buffer_.compare(at_, 2, "\r\n") == 0) {
      state_ = State::kHead;  // the CRLF stays: an empty head is CRLF CRLF
    } else {
      state_ = State::kPreamble;
    }
    return true;
  }

  bool head(BodySink& sink) {
    const auto end = buffer_.find("\r\n\r\n", scanned_);
    if (std::min(end, buffer_.size()) - at_ > kMaxHead) {
      sink.loss(LossReason::kMalformedBody, kMaxHead);
      state_ = State::kPreamble;
      scanned_ = at_;
      return true;
    }
    if (end == std::string::npos) {
      scanned_ = std::max(at_, buffer_.size() - std::min<std::size_t>(buffer_.size(), 3));
      return false;
    }
    part_ = read_head(std::string_view(buffer_).substr(at_, end - at_));
    over_limit_ = false;
    size_ = 0;
    at_ = scanned_ = end + 4;
    state_ = State::kContent;
    return true;
  }

  void emit(std::string_view value, TimeNs ts_ns, BodySink& sink) {
    BodyEvent event;
    event.ts_ns = ts_ns;
    event.name = part_.name;
    event.data = value;
    event.after_gap = after_gap_;
    if (part_.file) event.skipped = size_;
    event.file_name = part_.file_name;
    event.media_type = part_.media_type;
    after_gap_ = false;
    sink.event(event);
  }

  std::string delimiter_;
  std::size_t limit_;
  State state_ = State::kPreamble;
  std::string buffer_;
  std::size_t at_ = 0;       // start of what is not consumed
  std::size_t scanned_ = 0;  // where the next search begins; at_ <= scanned_
  Part part_;
  std::uint64_t size_ = 0;  // content bytes of a file
  bool over_limit_ = false;
  bool after_gap_ = false;
};

}  // namespace

std::unique_ptr<BodyDecoder> make_multipart(std::string_view boundary, const BodyLimits& limits) {
  return std::make_unique<MultipartDecoder>(boundary, limits);
}

}  // namespace llmtap
