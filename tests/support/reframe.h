// SPDX-License-Identifier: Apache-2.0
//
// An interaction without transport framing → the bytes that would have carried it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "parsers/core/exchange.h"
#include "parsers/core/inflate.h"
#include "tests/support/chunker.h"
#include "tests/support/hpack_reference.h"

namespace llmtap::testing {

// Bodies are behind transfer framing, as in RecordedInteraction.
struct Plain {
  RequestHead request;
  std::string request_body;
  ResponseHead response;
  std::string response_body;
  Headers trailers = {};  // of the response; HTTP/1 carries them behind chunks only
};

// Drops the fields that describe transfer framing or one connection; false if no transport can
// carry it (a status that allows no body, a target with spaces).
bool make_transportable(Plain& plain);

// The same interaction with both bodies in `coding` instead of what they were in. Absent: what they
// were in cannot be undone.
std::optional<Plain> recoded(const Plain& plain, Coding coding, std::size_t flush_every);

// One exchange on HTTP/1. `piece`: chunk size of chunked bodies, 0: content-length.
std::vector<Turn> http1_turns(const Plain& plain, std::size_t piece);

// A WebSocket on an HTTP/1 connection of its own: the handshake's host, path and headers, 101, then
// `inside`, its frames.
std::vector<Turn> http1_socket(const Plain& handshake, const std::vector<Turn>& inside);

// One HTTP/2 connection from its preface on. Heads are packed by libnghttp2, with its table.
class Http2Wire {
 public:
  // The next exchanges, at once: all requests, then all responses, DATA frames of `frame` bytes in
  // turn.
  std::vector<Turn> turns(const std::vector<Plain>& exchanges, std::size_t frame);

  // A WebSocket by extended CONNECT (RFC 8441) on the next stream; `inside`: its frames.
  std::vector<Turn> socket(const Plain& handshake, const std::vector<Turn>& inside);

 private:
  std::string start_up() const;  // before the first stream
  std::string start_down() const;

  HpackReference up_, down_;
  std::uint32_t next_stream_ = 1;
};

inline std::vector<Turn> http2_turns(const std::vector<Plain>& exchanges, std::size_t frame) {
  return Http2Wire().turns(exchanges, frame);
}

}  // namespace llmtap::testing
