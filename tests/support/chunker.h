// SPDX-License-Identifier: Apache-2.0
//
// Cuts bytes into pieces, and turns a conversation into the chunks that capture would deliver.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/core/chunk.h"

namespace llmtap::testing {

// Calls `use` with consecutive pieces of at most `size` bytes; 0: the whole.
template <class F>
void in_pieces(std::string_view bytes, std::size_t size, F use) {
  if (size == 0) size = std::max<std::size_t>(bytes.size(), 1);
  for (; !bytes.empty(); bytes.remove_prefix(std::min(size, bytes.size()))) {
    use(bytes.substr(0, size));
  }
}

// 1 to 64, powers of two up to 64 KiB, and the whole (0).
inline std::vector<std::size_t> piece_sizes() {
  std::vector<std::size_t> sizes;
  for (std::size_t size = 1; size <= 64; ++size) sizes.push_back(size);
  for (std::size_t size = 128; size <= 65536; size *= 2) sizes.push_back(size);
  sizes.push_back(0);
  return sizes;
}

// What one peer said in one go.
struct Turn {
  Direction direction = Direction::kWrite;
  std::string bytes;
};

// A chunk that owns its bytes.
struct OwnedChunk {
  Chunk chunk;
  std::string bytes;

  Chunk view() const {
    Chunk copy = chunk;
    copy.bytes = bytes;
    return copy;
  }
};

inline constexpr TimeNs kTurnNs = 1'000'000'000;  // the n-th turn happens at second n

// Chunks of at most `size` bytes (0: one per turn) of a connection. All chunks of a turn carry
// the same time, so that records do not depend on `size`.
inline std::vector<OwnedChunk> to_chunks(const std::vector<Turn>& turns, std::size_t size,
                                         ConnId conn = {100, 1, 1}, TimeNs start_ns = kTurnNs) {
  std::vector<OwnedChunk> chunks;
  std::uint64_t offsets[2] = {0, 0};
  TimeNs now = start_ns;
  for (const Turn& turn : turns) {
    in_pieces(turn.bytes, size, [&](std::string_view piece) {
      OwnedChunk owned;
      owned.chunk.conn = conn;
      owned.chunk.direction = turn.direction;
      owned.chunk.offset = offsets[static_cast<int>(turn.direction)];
      owned.chunk.begin_ns = owned.chunk.end_ns = now;
      owned.bytes = piece;
      offsets[static_cast<int>(turn.direction)] += piece.size();
      chunks.push_back(std::move(owned));
    });
    now += kTurnNs;
  }
  return chunks;
}

inline Chunk close_chunk(ConnId conn, TimeNs now_ns) {
  Chunk chunk;
  chunk.conn = conn;
  chunk.kind = ChunkKind::kClose;
  chunk.begin_ns = chunk.end_ns = now_ns;
  return chunk;
}

}  // namespace llmtap::testing
