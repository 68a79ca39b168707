// SPDX-License-Identifier: Apache-2.0
//
// Frame layout of HTTP/2 (RFC 9113, 4.1) and what a header may look like:
//
//   length 24 | type 8 | flags 8 | R 1, stream 31 | payload of `length` bytes
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace llmtap {

enum class FrameType : std::uint8_t {
  kData = 0,
  kHeaders = 1,
  kPriority = 2,
  kRstStream = 3,
  kSettings = 4,
  kPushPromise = 5,
  kPing = 6,
  kGoaway = 7,
  kWindowUpdate = 8,
  kContinuation = 9,
};

struct FrameHeader {
  static constexpr std::size_t kSize = 9;
  static constexpr std::uint8_t kEndStream = 0x1;  // DATA, HEADERS
  static constexpr std::uint8_t kAck = 0x1;        // SETTINGS, PING
  static constexpr std::uint8_t kEndHeaders = 0x4;
  static constexpr std::uint8_t kPadded = 0x8;
  static constexpr std::uint8_t kPriority = 0x20;

  std::uint32_t length = 0;
  FrameType type = FrameType::kData;
  std::uint8_t flags = 0;
  std::uint32_t stream = 0;

  bool has(std::uint8_t flag) const { return (flags & flag) != 0; }
};

inline constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";  // 3.4
inline constexpr std::uint32_t kDefaultMaxFrame = 16384;                               // 6.5.2
inline constexpr std::uint32_t kLargestMaxFrame = (1U << 24) - 1;

// `bytes` holds at least FrameHeader::kSize bytes. The reserved bit is dropped.
FrameHeader parse_frame_header(std::string_view bytes);

// Stream and length rules of the type (6.1-6.10); the frame size limit is the caller's.
bool is_valid(const FrameHeader& header);

// Much narrower: what real peers send, to find frames among other bytes. Only types that are used,
// only flags that they define, a plain length, a stream of the client. CONTINUATION is left to
// `may_follow`.
bool is_plausible(const FrameHeader& header, std::string_view bytes);

// Whether `next` may come right behind `header` in one direction.
bool may_follow(const FrameHeader& header, const FrameHeader& next);

// Whether a direction that begins with these bytes is HTTP/2 from its beginning: the client's
// preface, or the server's SETTINGS. False also when there are too few bytes to say (3 or 9).
bool looks_like_http2(std::string_view first_bytes);

// For a connection that was joined late: `bytes` begin with a plausible frame header, or two
// plausible frames follow each other somewhere in them.
bool contains_http2_frames(std::string_view bytes);

}  // namespace llmtap
