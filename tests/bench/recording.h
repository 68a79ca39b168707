// SPDX-License-Identifier: Apache-2.0
//
// Recordings that the bench and the cost tests build themselves: conversations as the chunks that
// capture would hand over, of realistic sizes, and the JSON that they carry.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/core/chunk.h"

namespace llmtap::bench {

enum class Transport { kHttp1, kHttp2 };
enum class Dialect { kOpenAi, kAnthropic, kNone };  // kNone: JSON that is no LLM call

struct Recording {
  std::deque<std::string> texts;       // owns what the views point into
  std::vector<Chunk> chunks;           // one connection, both directions
  std::vector<std::string_view> json;  // every JSON text of it, padded for simdjson behind its end
  std::size_t wire_bytes = 0;
  std::size_t json_bytes = 0;
  std::size_t calls = 0;
};

struct Streams {
  Transport transport = Transport::kHttp1;
  Dialect dialect = Dialect::kOpenAi;
  std::size_t calls = 1;
  std::size_t events = 2000;    // per answer; 100 to 300 bytes each
  std::size_t chunk_bytes = 0;  // of the wire; 0: a chunk carries one event
  std::size_t at_once = 1;      // HTTP/2: answers that take turns, event by event
  bool open = false;            // stops behind the last event: nothing ends
  ConnId conn = {100, 0x7f0012345678, 1};
};
Recording sse(const Streams& streams);

// One streamed answer with one event of `bytes`.
Recording long_event(Transport transport, std::size_t bytes, std::size_t chunk_bytes);

// `calls` requests and answers with sized JSON bodies. The larger of the two has `body_bytes`.
enum class Large { kRequest, kResponse };
Recording json_bodies(Dialect dialect, Large large, std::size_t calls, std::size_t body_bytes,
                      std::size_t chunk_bytes);

}  // namespace llmtap::bench
