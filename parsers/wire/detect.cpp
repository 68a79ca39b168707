// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/detect.h"

#include "parsers/wire/http1_head.h"
#include "parsers/wire/http2_frame.h"

namespace llmtap {

WireFormat detect_wire(std::string_view bytes) {
  if (looks_like_http2(bytes)) return WireFormat::kHttp2;
  // Before the search: a body behind a start line (audio, images) may hold bytes like frames.
  const StartLine start = classify_start_line(bytes);
  if (start == StartLine::kRequest || start == StartLine::kResponse) return WireFormat::kHttp1;
  if (contains_http2_frames(bytes)) return WireFormat::kLateHttp2;
  constexpr std::string_view kPreface = "PRI";
  if (bytes.size() < kPreface.size() && kPreface.substr(0, bytes.size()) == bytes) {
    return WireFormat::kNeedMore;
  }
  // A frame header's first byte (length, bits 16 to 23) is no letter: a short piece of one waits.
  if (bytes.size() < FrameHeader::kSize && static_cast<unsigned char>(bytes[0]) < 0x20) {
    return WireFormat::kNeedMore;
  }
  // A start line need not be whole: the HTTP/1 decoder collects it.
  return start == StartLine::kNo ? WireFormat::kOther : WireFormat::kHttp1;
}

}  // namespace llmtap
