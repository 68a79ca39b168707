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
// is handed over line by line from then on.
std::unique_ptr<BodyDecoder> make_whole(const BodyLimits& limits, bool lines);
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
