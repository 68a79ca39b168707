// SPDX-License-Identifier: Apache-2.0
//
// An interaction without transport framing → the bytes that would have carried it.
#pragma once

#include <string>
#include <vector>

#include "parsers/core/exchange.h"
#include "tests/support/chunker.h"

namespace llmtap::testing {

// Bodies are behind transfer framing, as in RecordedInteraction.
struct Plain {
  RequestHead request;
  std::string request_body;
  ResponseHead response;
  std::string response_body;
};

// Drops the fields that describe transfer framing or one connection; false if no transport can
// carry it (a status that allows no body, a target with spaces).
bool make_transportable(Plain& plain);

// One exchange on HTTP/1. `piece`: chunk size of chunked bodies, 0: content-length.
std::vector<Turn> http1_turns(const Plain& plain, std::size_t piece);

// Several exchanges at once on one new HTTP/2 connection: all requests, then all responses, DATA
// frames of `frame` bytes in turn. Heads are literal fields without Huffman coding or table.
std::vector<Turn> http2_turns(const std::vector<Plain>& exchanges, std::size_t frame);

}  // namespace llmtap::testing
