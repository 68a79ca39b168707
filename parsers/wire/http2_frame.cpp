// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/http2_frame.h"

#include "parsers/wire/http2_search.h"

namespace llmtap {
namespace {

std::uint8_t defined_flags(FrameType type) {
  switch (type) {
    case FrameType::kData:
      return FrameHeader::kEndStream | FrameHeader::kPadded;
    case FrameType::kHeaders:
      return FrameHeader::kEndStream | FrameHeader::kEndHeaders | FrameHeader::kPadded |
             FrameHeader::kPriority;
    case FrameType::kSettings:
    case FrameType::kPing:
      return FrameHeader::kAck;
    case FrameType::kContinuation:
      return FrameHeader::kEndHeaders;
    default:
      return 0;
  }
}

// Connections do not live long enough to open more: eight bits more to tell frames from noise.
constexpr std::uint32_t kPlausibleStreams = 1U << 24;

}  // namespace

FrameHeader parse_frame_header(std::string_view bytes) {
  const auto at = [&](std::size_t i) { return std::uint32_t{static_cast<std::uint8_t>(bytes[i])}; };
  FrameHeader header;
  header.length = at(0) << 16 | at(1) << 8 | at(2);
  header.type = static_cast<FrameType>(at(3));
  header.flags = static_cast<std::uint8_t>(at(4));
  header.stream = (at(5) << 24 | at(6) << 16 | at(7) << 8 | at(8)) & 0x7fffffff;
  return header;
}

bool is_valid(const FrameHeader& h) {
  switch (h.type) {
    case FrameType::kData:
      return h.stream != 0 && (!h.has(FrameHeader::kPadded) || h.length >= 1);
    case FrameType::kHeaders:
    case FrameType::kPushPromise:
    case FrameType::kContinuation:
      return h.stream != 0;
    case FrameType::kPriority:
      return h.stream != 0 && h.length == 5;
    case FrameType::kRstStream:
      return h.stream != 0 && h.length == 4;
    case FrameType::kSettings:
      return h.stream == 0 && h.length % 6 == 0 && (!h.has(FrameHeader::kAck) || h.length == 0);
    case FrameType::kPing:
      return h.stream == 0 && h.length == 8;
    case FrameType::kGoaway:
      return h.stream == 0 && h.length >= 8;
    case FrameType::kWindowUpdate:
      return h.length == 4;
  }
  return true;  // 5.5: unknown types are ignored
}

bool is_plausible(const FrameHeader& h, std::string_view bytes) {
  if (h.type > FrameType::kContinuation || h.type == FrameType::kPushPromise) return false;
  if (!is_valid(h) || h.length > kDefaultMaxFrame) return false;
  if ((h.flags & ~defined_flags(h.type)) != 0) return false;
  if ((static_cast<std::uint8_t>(bytes[5]) & 0x80) != 0) return false;
  if (h.stream != 0 && (h.stream % 2 == 0 || h.stream >= kPlausibleStreams)) return false;
  if (h.type == FrameType::kHeaders) return h.length > 0;
  if (h.type == FrameType::kData) return h.length > 0 || h.has(FrameHeader::kEndStream);
  return true;
}

bool may_follow(const FrameHeader& header, const FrameHeader& next) {
  const bool block = header.type == FrameType::kHeaders || header.type == FrameType::kContinuation;
  const bool open_block = block && !header.has(FrameHeader::kEndHeaders);
  if ((next.type == FrameType::kContinuation) != open_block) return false;
  if (open_block) return next.stream == header.stream;
  const bool over = header.has(FrameHeader::kEndStream) &&
                    (header.type == FrameType::kData || header.type == FrameType::kHeaders);
  const bool carries = next.type == FrameType::kData || next.type == FrameType::kHeaders;
  return !(over && carries && next.stream == header.stream);
}

bool looks_like_http2(std::string_view first_bytes) {
  if (first_bytes.starts_with(kHttp2Preface.substr(0, 3))) {
    return kHttp2Preface.starts_with(first_bytes.substr(0, kHttp2Preface.size()));
  }
  if (first_bytes.size() < FrameHeader::kSize) return false;
  const FrameHeader header = parse_frame_header(first_bytes);
  return header.type == FrameType::kSettings && !header.has(FrameHeader::kAck) &&
         is_plausible(header, first_bytes);
}

bool contains_http2_frames(std::string_view bytes) {
  if (bytes.size() >= FrameHeader::kSize && is_plausible(parse_frame_header(bytes), bytes) &&
      parse_frame_header(bytes).type != FrameType::kContinuation) {
    return true;
  }
  FrameSearch search;
  search.append(bytes);
  return search.find();
}

}  // namespace llmtap
