// SPDX-License-Identifier: Apache-2.0
//
// A real HTTP/2 client and server (libnghttp2) talking in memory; what passes between them is
// recorded in order, as a capture of the plaintext would see it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "parsers/core/chunk.h"

namespace llmtap::test {

using Fields = std::vector<std::pair<std::string, std::string>>;

struct Call {
  Fields request;  // with pseudo fields
  std::string request_body;
  Fields response;
  std::string response_body;
  Fields trailers;                     // of the response; none: no trailers
  std::size_t piece = 16384;           // response bytes per DATA frame, at most
  bool interim = false;                // a 103 before the response
  std::size_t reset_after = SIZE_MAX;  // the server resets when this much of the body is sent
};

struct Piece {
  Direction direction = Direction::kWrite;
  std::string bytes;
};

struct PeerOptions {
  std::uint32_t max_streams = 100;  // that the server allows at once
  std::size_t padding = 0;
  std::uint32_t table_size = 4096;  // SETTINGS_HEADER_TABLE_SIZE of both
};

// Runs all calls, each as soon as the server allows. The client writes; one piece per frame.
std::vector<Piece> run_http2(const std::vector<Call>& calls, const PeerOptions& options = {});

}  // namespace llmtap::test
