// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/detect.h"

#include <algorithm>

#include "parsers/wire/http1_head.h"

namespace llmtap {

namespace {

constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
static_assert(kHttp2Preface.size() == kDetectBytes);

}  // namespace

WireFormat detect_wire(std::string_view bytes) {
  const std::string_view start = bytes.substr(0, kDetectBytes);
  if (kHttp2Preface.substr(0, start.size()) == start) {
    return start.size() == kDetectBytes ? WireFormat::kHttp2 : WireFormat::kNeedMore;
  }
  // A start line need not be whole: the HTTP/1 decoder collects it.
  return classify_start_line(bytes) == StartLine::kNo ? WireFormat::kOther : WireFormat::kHttp1;
}

bool looks_like_text(std::string_view bytes) {
  const auto is_binary = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r' && byte != 0x1b;
  };
  return std::none_of(bytes.begin(), bytes.end(), is_binary);
}

}  // namespace llmtap
