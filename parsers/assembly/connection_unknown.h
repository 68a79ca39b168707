// SPDX-License-Identifier: Apache-2.0
//
// What a Connection holds until its protocol is known: connection_detect.cpp works with it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "parsers/assembly/connection.h"

namespace llmtap {

struct Connection::Unknown {
  std::string prefix[2];  // too short to tell; the decoder has not seen it
  Stamp stamp[2];
  std::uint64_t bytes = 0;
  unsigned turns = 0;
  std::optional<Direction> last;
  bool late_http2 = false;  // the decoder is HTTP/2's by a guess, until it finds a request
};

}  // namespace llmtap
