// SPDX-License-Identifier: Apache-2.0
//
// Records are seen under a key before their socket is known (the first request of a connection is
// sealed before it is sent). Holds them until the kernel says which connection they belong to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "userspace/capture/chunk_source.h"

namespace llmtap {

class SocketJoin {
 public:
  // Held, of all keys together; what a record costs beside its bytes included.
  static constexpr std::size_t kMostBytes = std::size_t{16} << 20;
  static constexpr TimeNs kLongest = 2'000'000'000;  // by event time

  explicit SocketJoin(std::size_t most_bytes = kMostBytes) : most_bytes_(most_bytes) {}

  // Keeps a copy. What would be too much goes out at once, as a connection of its own.
  void hold(const Chunk& chunk, const ChunkSource::OnChunk& on_chunk);
  // `key`'s bytes belong to `socket`, from `base` on: delivers them under that name.
  void join(const ConnId& key, const ConnId& socket, std::uint64_t base,
            const ChunkSource::OnChunk& on_chunk);
  // Delivers what has waited for too long, as connections of their own.
  void expire(TimeNs now, const ChunkSource::OnChunk& on_chunk);
  // The process is gone: likewise, all of it.
  void end(std::uint32_t tgid, const ChunkSource::OnChunk& on_chunk);

  bool empty() const { return held_.empty(); }
  std::size_t bytes() const { return bytes_; }

 private:
  using Held = std::vector<std::pair<Chunk, std::string>>;
  void deliver(Held& held, const ConnId& conn, std::uint64_t base,
               const ChunkSource::OnChunk& on_chunk);

  const std::size_t most_bytes_;
  std::map<ConnId, Held> held_;
  std::size_t bytes_ = 0;
};

}  // namespace llmtap
