// SPDX-License-Identifier: Apache-2.0
//
// First bytes of one direction → which decoder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace llmtap {

enum class WireFormat : std::uint8_t {
  kNeedMore,   // at most kDetectBytes will tell
  kHttp1,      // begins with a start line
  kHttp2,      // begins with the preface or a SETTINGS frame
  kLateHttp2,  // plausible frames somewhere: a late attach, or chance in binary bytes
  kOther,      // a late attach may still be in the middle of an HTTP/1 message
};

inline constexpr std::size_t kDetectBytes = 9;  // an HTTP/2 frame header

// `bytes` is not empty and begins where the direction was first seen, or with a later chunk.
WireFormat detect_wire(std::string_view bytes);

}  // namespace llmtap
