// SPDX-License-Identifier: Apache-2.0
//
// One request and its response on one connection, whatever the framing (HTTP/1.1, HTTP/2,
// WebSocket after its upgrade).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "parsers/core/headers.h"

namespace llmtap {

enum class Protocol : std::uint8_t { kHttp1, kHttp2, kWebSocket };

// A field that the wire did not show (late attach on HTTP/2) is empty in `method`, `authority`
// and `path`; `partial` says that some header is unknown.
struct RequestHead {
  Protocol protocol = Protocol::kHttp1;
  std::string method;
  std::string authority;  // Host or :authority, with port if given
  std::string path;       // with query
  Headers headers;
  bool partial = false;

  bool operator==(const RequestHead&) const = default;
};

struct ResponseHead {
  int status = 0;  // 0: unknown
  Headers headers;
  bool partial = false;

  bool operator==(const ResponseHead&) const = default;
};

enum class Side : std::uint8_t { kRequest, kResponse };

// Why an exchange ended.
enum class End : std::uint8_t {
  kComplete,   // the framing says so
  kCancelled,  // the client went away or reset the stream before the end
  kTruncated,  // the server did
  kGap,        // bytes were lost and the end could not be found
  kEvicted,    // our own limits or idle time
};

constexpr std::string_view name(End end) {
  switch (end) {
    case End::kComplete: return "complete";
    case End::kCancelled: return "cancelled";
    case End::kTruncated: return "truncated";
    case End::kGap: return "gap";
    case End::kEvicted: return "evicted";
  }
  return "evicted";
}

}  // namespace llmtap
