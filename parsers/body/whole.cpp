// SPDX-License-Identifier: Apache-2.0
//
// A body that is one event, and a body that is none: media are counted, not kept.
// Resync: none. A body with a hole is dropped; nothing can be read out of half a JSON value.
#include <algorithm>
#include <string>

#include "parsers/body/decoders.h"

namespace llmtap {
namespace {

class WholeDecoder final : public BodyDecoder {
 public:
  WholeDecoder(const BodyLimits& limits, bool lines, std::size_t expected)
      : limits_(limits), lines_(lines), expected_(std::min(expected, limits.whole)) {}

  void feed(std::string_view bytes, TimeNs ts_ns, BodySink& sink) override {
    if (inner_) {
      inner_->feed(bytes, ts_ns, sink);
      return;
    }
    if (dropping_) {
      sink.loss(reason_, bytes.size());
      return;
    }
    const std::size_t room = limits_.whole - bytes_.size();
    make_room(bytes_, std::min(room, bytes.size()), expected_);
    bytes_.append(bytes.substr(0, room));
    bytes.remove_prefix(std::min(room, bytes.size()));
    if (lines_ && several_values()) {
      inner_ = make_ndjson(limits_);
      std::string held;
      held.swap(bytes_);
      inner_->feed(held, ts_ns, sink);
      inner_->feed(bytes, ts_ns, sink);
    } else if (!bytes.empty()) {
      sink.loss(LossReason::kBodyLimit, bytes_.size() + bytes.size());
      reason_ = LossReason::kBodyLimit;
      dropping_ = true;
      clear_buffer(bytes_);
    }
  }

  void gap(std::uint64_t bytes) override {
    if (inner_) {
      inner_->gap(bytes);
      return;
    }
    reason_ = LossReason::kMalformedBody;
    dropping_ = true;
  }

  void finish(TimeNs ts_ns, bool complete, BodySink& sink) override {
    if (inner_) {
      inner_->finish(ts_ns, complete, sink);
      return;
    }
    if (dropping_ && !bytes_.empty()) sink.loss(reason_, bytes_.size());
    if (!dropping_ && !bytes_.empty()) {
      if (complete || closed()) {
        BodyEvent event;
        event.ts_ns = ts_ns;
        event.data = bytes_;
        sink.event(event);
      } else {
        sink.loss(LossReason::kMalformedBody, bytes_.size());
      }
    }
    clear_buffer(bytes_);
  }

  std::size_t memory() const override {
    return sizeof *this + bytes_.capacity() + (inner_ ? inner_->memory() : 0);
  }
  bool streamed() const override { return inner_ != nullptr; }

 private:
  // '}' EOL '{' never occurs in one JSON value: a string holds no raw newline, and between two
  // objects there is a comma. Looks at each newline once.
  bool several_values() {
    for (;;) {
      const auto newline = bytes_.find('\n', scanned_);
      if (newline == std::string::npos || newline + 1 == bytes_.size()) {
        scanned_ = newline == std::string::npos ? bytes_.size() : newline;
        return false;
      }
      scanned_ = newline + 1;
      if (bytes_[newline + 1] != '{') continue;
      std::size_t last = newline;
      if (last > 0 && bytes_[last - 1] == '\r') --last;
      if (last > 0 && bytes_[last - 1] == '}') return true;
    }
  }

  // A cut body whose JSON value may be whole all the same.
  bool closed() const {
    const auto last = bytes_.find_last_not_of(" \t\r\n");
    return last != std::string::npos && (bytes_[last] == '}' || bytes_[last] == ']');
  }

  BodyLimits limits_;
  bool lines_;
  std::size_t expected_;
  std::string bytes_;
  std::size_t scanned_ = 0;
  bool dropping_ = false;
  LossReason reason_ = LossReason::kMalformedBody;
  std::unique_ptr<BodyDecoder> inner_;
};

class OpaqueDecoder final : public BodyDecoder {
 public:
  explicit OpaqueDecoder(std::string_view media_type) : media_type_(media_type) {}

  void feed(std::string_view bytes, TimeNs, BodySink&) override { skipped_ += bytes.size(); }
  void gap(std::uint64_t bytes) override {
    skipped_ += bytes;
    after_gap_ = true;
  }
  void finish(TimeNs ts_ns, bool, BodySink& sink) override {
    if (skipped_ == 0) return;
    BodyEvent event;
    event.ts_ns = ts_ns;
    event.after_gap = after_gap_;
    event.skipped = skipped_;
    event.media_type = media_type_;
    sink.event(event);
  }
  std::size_t memory() const override { return sizeof *this + media_type_.capacity(); }

 private:
  std::string media_type_;
  std::uint64_t skipped_ = 0;
  bool after_gap_ = false;
};

}  // namespace

std::unique_ptr<BodyDecoder> make_whole(const BodyLimits& limits, bool lines,
                                        std::size_t expected) {
  return std::make_unique<WholeDecoder>(limits, lines, expected);
}

std::unique_ptr<BodyDecoder> make_opaque(std::string_view media_type) {
  return std::make_unique<OpaqueDecoder>(media_type);
}

}  // namespace llmtap
