// SPDX-License-Identifier: Apache-2.0
//
// Where chunks come from: the kernel, or a recording.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>

#include "parsers/core/chunk.h"
#include "parsers/core/result.h"

namespace llmtap {

class ChunkSource {
 public:
  // The chunk's bytes are valid during the call only.
  using OnChunk = std::function<void(const Chunk&)>;

  virtual ~ChunkSource() = default;

  // Waits up to `timeout` for something to deliver, then delivers what is there; returns how many
  // chunks that were. An error is final.
  virtual Result<std::size_t> poll(std::chrono::milliseconds timeout, const OnChunk& on_chunk) = 0;

  // Nothing new from now on: poll() delivers what is there already.
  virtual void stop() {}

  // True: there will never be another chunk.
  virtual bool finished() const = 0;
};

}  // namespace llmtap
