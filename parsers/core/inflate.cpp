// SPDX-License-Identifier: Apache-2.0
#include "parsers/core/inflate.h"

#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <climits>

namespace llmtap {
namespace {

// One round of output. On the stack, so that an idle stream holds no output buffer.
constexpr std::size_t kRound = 16 * 1024;

// Counts both sides of one stream against its limits.
class Meter {
 public:
  explicit Meter(const InflateLimits& limits) : limits_(limits) {}

  void took(std::size_t bytes) { input_ += bytes; }
  // True if these bytes may still be handed out.
  bool gives(std::size_t bytes) {
    output_ += bytes;
    if (output_ > limits_.max_output) return false;
    return output_ <= limits_.free_output || output_ / limits_.max_ratio <= input_;
  }
  void reset() { input_ = output_ = 0; }

 private:
  InflateLimits limits_;
  std::uint64_t input_ = 0;
  std::uint64_t output_ = 0;
};

class ZlibInflater final : public Inflater {
 public:
  ZlibInflater(Coding coding, const InflateLimits& limits) : coding_(coding), meter_(limits) {}
  ~ZlibInflater() override { close(); }
  ZlibInflater(const ZlibInflater&) = delete;
  ZlibInflater& operator=(const ZlibInflater&) = delete;

  InflateStatus feed(std::string_view input, const Output& output) override {
    if (status_ == InflateStatus::kCorrupt || status_ == InflateStatus::kBomb) return status_;
    meter_.took(input.size());
    if (!open_) {
      if (coding_ != Coding::kDeflate) {
        if (!open(coding_ == Coding::kGzip ? 15 + 16 : -15)) return status_;
      } else if (!detect(input, output)) {
        return status_;
      }
    }
    return run(input, output);
  }

  void reset() override {
    close();
    meter_.reset();
    status_ = InflateStatus::kMore;
    closed_ = false;
    held_ = 0;
  }

  std::size_t memory() const override { return sizeof *this + (open_ ? kState : 0); }

 private:
  static constexpr std::size_t kState = 7 * 1024 + 32 * 1024;  // zlib's own figure for inflate

  bool open(int window_bits) {
    stream_ = z_stream{};
    open_ = inflateInit2(&stream_, window_bits) == Z_OK;
    if (!open_) status_ = InflateStatus::kCorrupt;
    return open_;
  }

  void close() {
    if (open_) inflateEnd(&stream_);
    open_ = false;
  }

  // "deflate": the two bytes of a zlib header (RFC 1950 2.2) tell it from raw. Takes what it has
  // looked at out of `input`; false while undecided or dead.
  bool detect(std::string_view& input, const Output& output) {
    while (held_ < 2 && !input.empty()) {
      head_[held_++] = input.front();
      input.remove_prefix(1);
    }
    if (held_ < 2) return false;
    const unsigned cmf = static_cast<unsigned char>(head_[0]);
    const unsigned flags = static_cast<unsigned char>(head_[1]);
    const bool zlib = (cmf & 0x0f) == 8 && (cmf >> 4) <= 7 && (cmf << 8 | flags) % 31 == 0;
    if (!open(zlib ? 15 : -15)) return false;
    run({head_.data(), 2}, output);
    return status_ == InflateStatus::kMore;
  }

  InflateStatus run(std::string_view input, const Output& output) {
    std::array<char, kRound> round;
    while (status_ == InflateStatus::kMore || (status_ == InflateStatus::kDone && again(input))) {
      const std::size_t step = std::min<std::size_t>(input.size(), UINT_MAX);
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
      stream_.avail_in = static_cast<uInt>(step);
      stream_.next_out = reinterpret_cast<Bytef*>(round.data());
      stream_.avail_out = kRound;
      const int code = inflate(&stream_, Z_SYNC_FLUSH);
      input.remove_prefix(step - stream_.avail_in);
      const std::size_t made = kRound - stream_.avail_out;
      if (made > 0) {
        if (!meter_.gives(made)) return status_ = InflateStatus::kBomb;
        output({round.data(), made});
      }
      if (code == Z_STREAM_END) {
        status_ = InflateStatus::kDone;
      } else if (code != Z_OK && code != Z_BUF_ERROR) {
        return status_ = InflateStatus::kCorrupt;
      } else if (stream_.avail_out > 0 && (input.empty() || code == Z_BUF_ERROR)) {
        break;  // everything that is there was taken and given
      }
    }
    return status_;
  }

  // RFC 1952 2.2: a gzip file is a series of members. A raw deflate stream of a WebSocket may end
  // with a final block and go on, window kept, with the next message (RFC 7692 7.2.3.4).
  bool again(std::string_view input) {
    if (input.empty() || closed_) return false;
    const bool raw = coding_ == Coding::kRawDeflate;
    closed_ = !raw && (coding_ != Coding::kGzip || input.front() != '\x1f');
    if (closed_) return false;
    if ((raw ? inflateResetKeep(&stream_) : inflateReset(&stream_)) != Z_OK) return false;
    status_ = InflateStatus::kMore;
    return true;
  }

  Coding coding_;
  Meter meter_;
  z_stream stream_{};
  bool open_ = false;
  bool closed_ = false;  // something else follows the stream's end
  InflateStatus status_ = InflateStatus::kMore;
  std::array<char, 2> head_{};
  std::size_t held_ = 0;
};

class BrotliInflater final : public Inflater {
 public:
  explicit BrotliInflater(const InflateLimits& limits) : meter_(limits) { reset(); }

  InflateStatus feed(std::string_view input, const Output& output) override {
    if (status_ != InflateStatus::kMore) return status_;
    meter_.took(input.size());
    std::array<char, kRound> round;
    const auto* next_in = reinterpret_cast<const std::uint8_t*>(input.data());
    std::size_t in_left = input.size();
    for (;;) {
      auto* next_out = reinterpret_cast<std::uint8_t*>(round.data());
      std::size_t out_left = kRound;
      const auto code = BrotliDecoderDecompressStream(decoder_.get(), &in_left, &next_in,
                                                      &out_left, &next_out, nullptr);
      if (out_left < kRound) {
        if (!meter_.gives(kRound - out_left)) return status_ = InflateStatus::kBomb;
        output({round.data(), kRound - out_left});
      }
      if (code == BROTLI_DECODER_RESULT_SUCCESS) return status_ = InflateStatus::kDone;
      if (code == BROTLI_DECODER_RESULT_ERROR) return status_ = InflateStatus::kCorrupt;
      if (code == BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT) return status_;
    }
  }

  void reset() override {
    decoder_.reset(BrotliDecoderCreateInstance(nullptr, nullptr, nullptr));
    meter_.reset();
    status_ = decoder_ ? InflateStatus::kMore : InflateStatus::kCorrupt;
  }

  // The window is allocated as the stream's header asks; 22 bits is what servers use.
  std::size_t memory() const override { return sizeof *this + (std::size_t{1} << 16); }

 private:
  struct Destroy {
    void operator()(BrotliDecoderState* state) const { BrotliDecoderDestroyInstance(state); }
  };
  Meter meter_;
  std::unique_ptr<BrotliDecoderState, Destroy> decoder_;
  InflateStatus status_ = InflateStatus::kMore;
};

class ZstdInflater final : public Inflater {
 public:
  explicit ZstdInflater(const InflateLimits& limits) : meter_(limits) { reset(); }

  InflateStatus feed(std::string_view input, const Output& output) override {
    if (status_ == InflateStatus::kCorrupt || status_ == InflateStatus::kBomb) return status_;
    meter_.took(input.size());
    std::array<char, kRound> round;
    ZSTD_inBuffer in{input.data(), input.size(), 0};
    for (;;) {
      ZSTD_outBuffer out{round.data(), kRound, 0};
      const std::size_t before = in.pos;
      if (frame_start_ && in.pos < in.size && !is_frame(input[in.pos])) {
        return status_ = InflateStatus::kCorrupt;
      }
      const std::size_t code = ZSTD_decompressStream(stream_.get(), &out, &in);
      if (ZSTD_isError(code)) return status_ = InflateStatus::kCorrupt;
      if (out.pos > 0) {
        if (!meter_.gives(out.pos)) return status_ = InflateStatus::kBomb;
        output({round.data(), out.pos});
      }
      if (in.pos == before && out.pos == 0) return status_;
      frame_start_ = code == 0;
      // 0: a frame is whole; another may follow (RFC 8878 3.1).
      status_ = code == 0 ? InflateStatus::kDone : InflateStatus::kMore;
      if (in.pos == in.size && out.pos < kRound) return status_;
    }
  }

  void reset() override {
    stream_.reset(ZSTD_createDStream());
    if (stream_) ZSTD_DCtx_setParameter(stream_.get(), ZSTD_d_windowLogMax, kWindowLog);
    meter_.reset();
    frame_start_ = true;
    status_ = stream_ ? InflateStatus::kMore : InflateStatus::kCorrupt;
  }

  std::size_t memory() const override {
    return sizeof *this + (stream_ ? ZSTD_sizeof_DStream(stream_.get()) : 0);
  }

 private:
  // RFC 8878 3.1: the magic numbers of data and of skippable frames. The library also reads the
  // formats of before the RFC, whose magic begins otherwise; no sender uses them.
  static bool is_frame(char first) {
    return first == '\x28' || (static_cast<unsigned char>(first) & 0xf0) == 0x50;
  }

  static constexpr int kWindowLog = 23;  // RFC 9659: 8 MiB is the most that a sender may use
  struct Free {
    void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
  };
  Meter meter_;
  std::unique_ptr<ZSTD_DStream, Free> stream_;
  bool frame_start_ = true;
  InflateStatus status_ = InflateStatus::kMore;
};

}  // namespace

std::unique_ptr<Inflater> make_inflater(Coding coding, const InflateLimits& limits) {
  switch (coding) {
    case Coding::kBrotli: return std::make_unique<BrotliInflater>(limits);
    case Coding::kZstd: return std::make_unique<ZstdInflater>(limits);
    default: return std::make_unique<ZlibInflater>(coding, limits);
  }
}

}  // namespace llmtap
