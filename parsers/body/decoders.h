// SPDX-License-Identifier: Apache-2.0
//
// The decoders' own makers. Only body_decoder.cpp chooses; tests may ask for one by BodyKind.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "parsers/body/body_decoder.h"

namespace llmtap {

// One event. With `lines`, a body that turns out to be several JSON objects on lines of their own
// is handed over line by line from then on. `expected`: the size that the head announced, or 0.
std::unique_ptr<BodyDecoder> make_whole(const BodyLimits& limits, bool lines,
                                        std::size_t expected = 0);
std::unique_ptr<BodyDecoder> make_opaque(std::string_view media_type);
std::unique_ptr<BodyDecoder> make_sse(const BodyLimits& limits);
std::unique_ptr<BodyDecoder> make_ndjson(const BodyLimits& limits);
std::unique_ptr<BodyDecoder> make_json_array(const BodyLimits& limits);
std::unique_ptr<BodyDecoder> make_aws_eventstream(const BodyLimits& limits);
// `boundary` as in the Content-Type, without the leading dashes.
std::unique_ptr<BodyDecoder> make_multipart(std::string_view boundary, const BodyLimits& limits);
// `coding` is the value of grpc-encoding.
std::unique_ptr<BodyDecoder> make_grpc(std::string_view coding, const BodyLimits& limits);

// True if twelve bytes are the prelude of an AWS event-stream message (lengths and CRC agree).
bool is_aws_prelude(std::string_view twelve);

// Remembers that bytes are missing before the next event, and marks it.
class GapMark {
 public:
  void set() { after_gap_ = true; }
  // `data` as an event of its own.
  void emit(std::string_view data, TimeNs ts_ns, BodySink& sink) {
    BodyEvent event;
    event.ts_ns = ts_ns;
    event.data = data;
    event.after_gap = after_gap_;
    after_gap_ = false;
    sink.event(event);
  }

 private:
  bool after_gap_ = false;
};

// Makes room in one step for a body of an announced size, once an eighth of it is really there: a
// large body is not copied from buffer to buffer, and no announcement alone takes memory.
inline void make_room(std::string& buffer, std::size_t more, std::size_t expected) {
  constexpr std::size_t kWorthIt = 64 * 1024, kPadding = 64;  // a JSON parser's
  const std::size_t size = buffer.size() + more;
  if (size <= buffer.capacity() || expected < kWorthIt || expected < size) return;
  if (size >= expected / 8) buffer.reserve(expected + kPadding);
}

// Buffers that one large event has blown up are given back; small ones are kept for the next.
inline void clear_buffer(std::string& buffer) {
  constexpr std::size_t kKeep = 16 * 1024;
  if (buffer.capacity() > kKeep) {
    std::string().swap(buffer);
  } else {
    buffer.clear();
  }
}

}  // namespace llmtap
