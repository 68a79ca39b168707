// SPDX-License-Identifier: Apache-2.0
//
// One direction of an HTTP/2 connection: ordered bytes in, frames out (RFC 9113, 4 and 6).
//
//   kStart ──preface or SETTINGS──→ kHeader ─→ kPadLength ─→ kData ─┐
//      │                             ↑  ├────→ kWhole ──────────────┤   a known payload
//      │                             │  └────→ kSkip ───────────────┤   is done
//      │                             └──────────────────────────────┘
//      └─anything else─→ kSearch ──two frames in a row──→ kHeader     (joined late)
//   a violation: kDead if every byte since the beginning was seen, else kSearch
//
// A gap inside a payload keeps alignment; any other goes to kSearch (see http2_search.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "parsers/wire/http2_frame.h"
#include "parsers/wire/http2_search.h"

namespace llmtap {

// What a reader finds, in wire order. Views live during the call.
class FrameEvents {
 public:
  virtual ~FrameEvents() = default;
  // The direction begins with the client's preface.
  virtual void preface() = 0;
  // A header block of HEADERS or PUSH_PROMISE, CONTINUATIONs joined, without padding and priority.
  // `lost`: it existed, but (part of) it was lost or too long; `block` is empty. Returns false if
  // the block is a violation.
  virtual bool block(const FrameHeader& header, std::string_view block, bool lost) = 0;
  virtual void data(std::uint32_t stream, std::string_view bytes) = 0;
  virtual void data_lost(std::uint32_t stream, std::uint64_t bytes) = 0;
  // A DATA frame is over.
  virtual void data_end(const FrameHeader& header) = 0;
  // SETTINGS, RST_STREAM, GOAWAY; the payload is empty when it was lost.
  virtual void control(const FrameHeader& header, std::string_view payload) = 0;
  // A payload that had to be looked into is too long: it is passed over.
  virtual void over_limit(std::uint64_t bytes) = 0;
  // Alignment is lost, and with it an unknown number of frames of any stream.
  virtual void unaligned() = 0;
  // Every byte was seen and they are not HTTP/2: nothing more will come.
  virtual void violated() = 0;
  // These bytes belong to no frame that could be found.
  virtual void skipped(std::uint64_t bytes) = 0;
};

class FrameReader {
 public:
  static constexpr std::size_t kMaxBlock = 256 * 1024;   // a header block; a longer one is lost
  static constexpr std::size_t kMaxControl = 16 * 1024;  // other payloads that are looked into

  void feed(std::string_view bytes, FrameEvents& events);
  void gap(std::uint64_t bytes, FrameEvents& events);
  void close(FrameEvents& events);  // reports what a search still held

  // The other side's SETTINGS_MAX_FRAME_SIZE (6.5.2).
  void set_max_frame(std::uint32_t bytes) { max_frame_ = bytes; }
  // Every frame since the beginning was seen.
  bool exact() const { return exact_; }
  bool dead() const { return state_ == State::kDead; }
  std::size_t memory() const {
    return buffer_.capacity() + block_.capacity() +
           (search_ ? sizeof(FrameSearch) + search_->memory() : 0);
  }

 private:
  enum class State : std::uint8_t {
    kStart,
    kHeader,
    kPadLength,
    kData,
    kWhole,
    kSkip,
    kSearch,
    kDead
  };

  void step(std::string_view& bytes, FrameEvents& events);
  void start(std::string_view& bytes, FrameEvents& events);
  void header(std::string_view& bytes, FrameEvents& events);
  void begin_frame(FrameEvents& events);
  void pad_length(std::string_view& bytes, FrameEvents& events);
  void data(std::string_view& bytes, FrameEvents& events);
  void whole(std::string_view& bytes, FrameEvents& events);
  void skip(std::string_view& bytes, FrameEvents& events);
  void search(std::string_view& bytes, FrameEvents& events);
  FrameSearch& searching();

  bool acceptable(const FrameHeader& header) const;
  void deliver(std::string_view payload, FrameEvents& events);
  void deliver_headers(std::string_view payload, FrameEvents& events);
  void join_block(std::string_view fragment, bool end, FrameEvents& events);
  void pass_over_payload(FrameEvents& events);
  void payload_lost(FrameEvents& events);
  void end_data(FrameEvents& events);
  void violation(FrameEvents& events);
  void lose_alignment(FrameEvents& events);

  State state_ = State::kStart;
  bool exact_ = false;
  bool in_block_ = false;         // the next frame must be a CONTINUATION of block_header_
  bool block_lost_ = false;       // and what was joined so far is no use
  std::uint8_t filled_ = 0;       // bytes in bytes_
  std::uint8_t unread_ = 0;       // last bytes of bytes_ that a search must look at again
  std::array<char, 24> bytes_{};  // a preface or frame header that is not whole yet
  std::uint32_t max_frame_ = kDefaultMaxFrame;
  FrameHeader frame_;
  FrameHeader block_header_;
  std::uint32_t left_ = 0;  // payload bytes still to come, without trailing padding
  std::uint32_t pad_ = 0;   // and the padding
  std::string buffer_;      // a payload that came in pieces
  std::string block_;       // fragments of a block of several frames
  std::unique_ptr<FrameSearch> search_;  // in kSearch only: most connections never search
};

}  // namespace llmtap
