// SPDX-License-Identifier: Apache-2.0
//
// gRPC length-prefixed messages: u8 compressed | u32 length (big-endian) | message. A compressed
// message is in the coding that grpc-encoding names; each is one event, inflated. One may be as large
// as a whole body: a call that is no stream has one.
// Resync: behind a gap that ends inside its message, at the next one; the framing has no mark to
// search for, so any other gap ends the body.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "parsers/body/decoders.h"
#include "parsers/core/inflate.h"

namespace llmtap {
namespace {

constexpr std::size_t kPrefix = 5;

class GrpcDecoder final : public BodyDecoder {
 public:
  GrpcDecoder(std::string_view coding, const BodyLimits& limits) : limit_(limits.whole) {
    if (coding == "gzip" || coding.empty()) coding_ = Coding::kGzip;  // unknown: what clients use
    if (coding == "deflate") coding_ = Coding::kDeflate;
    if (coding == "zstd") coding_ = Coding::kZstd;
  }

  void feed(std::string_view bytes, TimeNs ts_ns, BodySink& sink) override {
    while (!bytes.empty()) {
      if (dead_ || discard_ > 0) {
        bytes.remove_prefix(drop(bytes.size(), sink));
      } else if (buffer_.empty() && bytes.size() >= kPrefix &&
                 bytes.size() >= total(bytes) && total(bytes) <= limit_) {
        const auto size = static_cast<std::size_t>(total(bytes));
        message(bytes.substr(0, size), ts_ns, sink);
        bytes.remove_prefix(size);
      } else {
        bytes.remove_prefix(buffered(bytes, ts_ns, sink));
      }
    }
  }

  void gap(std::uint64_t bytes) override {
    const bool known = discard_ > 0 || buffer_.size() >= kPrefix;
    const std::uint64_t left = discard_ > 0 ? discard_ : known ? total(buffer_) - buffer_.size() : 0;
    clear_buffer(buffer_);
    gap_.set();
    dead_ = dead_ || bytes == 0 || bytes > left;
    discard_ = dead_ ? 0 : left - bytes;
    drop_reason_ = LossReason::kMalformedBody;
  }

  void finish(TimeNs, bool, BodySink& sink) override {
    if (!buffer_.empty()) sink.loss(LossReason::kMalformedBody, buffer_.size());
    clear_buffer(buffer_);
  }

  std::size_t memory() const override {
    return sizeof *this + buffer_.capacity() + (inflater_ ? inflater_->memory() : 0);
  }
  bool streamed() const override { return true; }

 private:
  InflateLimits inflate_limits() const {
    InflateLimits limits;
    limits.max_output = limit_;
    return limits;
  }

  static std::uint64_t total(std::string_view bytes) {
    std::uint32_t size = 0;
    for (std::size_t i = 1; i < kPrefix; ++i) size = size << 8 | static_cast<unsigned char>(bytes[i]);
    return kPrefix + std::uint64_t{size};
  }

  std::size_t drop(std::size_t available, BodySink& sink) {
    std::size_t step = available;
    if (!dead_) {
      step = static_cast<std::size_t>(std::min<std::uint64_t>(discard_, available));
      discard_ -= step;
    }
    sink.loss(dead_ ? LossReason::kMalformedBody : drop_reason_, step);
    return step;
  }

  std::size_t buffered(std::string_view bytes, TimeNs ts_ns, BodySink& sink) {
    const std::uint64_t want = buffer_.size() < kPrefix ? kPrefix : total(buffer_);
    const auto step = static_cast<std::size_t>(
        std::min<std::uint64_t>(want - buffer_.size(), bytes.size()));
    buffer_.append(bytes.substr(0, step));
    if (buffer_.size() < kPrefix) return step;
    if (total(buffer_) > limit_) {
      discard_ = total(buffer_) - buffer_.size();
      drop_reason_ = LossReason::kBodyLimit;
      clear_buffer(buffer_);
      gap_.set();
    } else if (buffer_.size() == total(buffer_)) {
      message(buffer_, ts_ns, sink);
      clear_buffer(buffer_);
    }
    return step;
  }

  void message(std::string_view bytes, TimeNs ts_ns, BodySink& sink) {
    std::string_view data = bytes.substr(kPrefix);
    std::string inflated;
    if (bytes[0] == 1) {
      auto status = InflateStatus::kCorrupt;
      if (!inflater_ && coding_) inflater_ = make_inflater(*coding_, inflate_limits());
      if (inflater_) {
        inflater_->reset();
        status = inflater_->feed(data, [&](std::string_view out) { inflated.append(out); });
      }
      data = inflated;
      if (status != InflateStatus::kDone) {
        sink.loss(LossReason::kBadCoding, bytes.size());
        gap_.set();
        return;
      }
    } else if (bytes[0] != 0) {
      sink.loss(LossReason::kMalformedBody, bytes.size());
      dead_ = true;
      return;
    }
    gap_.emit(data, ts_ns, sink);
  }

  std::size_t limit_;
  std::optional<Coding> coding_;
  std::unique_ptr<Inflater> inflater_;  // from the first compressed message on
  std::string buffer_;
  std::uint64_t discard_ = 0;  // of a message that is dropped
  LossReason drop_reason_ = LossReason::kBodyLimit;
  bool dead_ = false;
  GapMark gap_;
};

}  // namespace

std::unique_ptr<BodyDecoder> make_grpc(std::string_view coding, const BodyLimits& limits) {
  return std::make_unique<GrpcDecoder>(coding, limits);
}

}  // namespace llmtap
