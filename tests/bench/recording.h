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

// `calls` streamed answers of `events` events (100 to 300 bytes each), one after the other. A chunk
// carries `chunk_bytes` of the wire, or one event if that is 0.
Recording sse(Transport transport, Dialect dialect, std::size_t calls, std::size_t events,
              std::size_t chunk_bytes);

// `calls` requests and answers with sized JSON bodies. The larger of the two has `body_bytes`.
enum class Large { kRequest, kResponse };
Recording json_bodies(Dialect dialect, Large large, std::size_t calls, std::size_t body_bytes,
                      std::size_t chunk_bytes);

}  // namespace llmtap::bench
