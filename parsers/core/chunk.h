// SPDX-License-Identifier: Apache-2.0
//
// What capture hands to the parsers: pieces of the plaintext byte streams of one connection.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

#include "parsers/core/endpoint.h"

namespace llmtap {

// Unix time in nanoseconds. Capture translates the kernel's clock once; nothing behind it does.
using TimeNs = std::uint64_t;

// One connection of one process. `conn` is the TLS object's address (or a socket's cookie) and is
// reused by allocators, hence `generation`, which the kernel side counts up.
// A file descriptor is never part of the identity: memory BIOs have none.
struct ConnId {
  std::uint32_t tgid = 0;
  std::uint64_t conn = 0;
  std::uint64_t generation = 0;

  auto operator<=>(const ConnId&) const = default;
};

// As the observed process sees it: it writes to its peer or reads from it.
enum class Direction : std::uint8_t { kWrite, kRead };

constexpr Direction opposite(Direction d) {
  return d == Direction::kWrite ? Direction::kRead : Direction::kWrite;
}

enum class ChunkKind : std::uint8_t {
  kData,         // bytes of one direction; none and none missing: that direction has ended (a read
                 // found the end of the stream), which tells a server that cut from a client that left
  kClose,        // the connection is gone: nothing more will come
  kProcessExit,  // every connection of conn.tgid is gone (exit or exec)
  kSocket,       // the connection's addresses are known: `socket`; at any time, at most once
};

// Lifetime: `bytes` is valid only during Assembler::feed. Offsets count from the first byte that
// this direction carried since the connection was first seen; a late attach starts at 0 as well.
struct Chunk {
  ConnId conn;
  ChunkKind kind = ChunkKind::kData;
  Direction direction = Direction::kWrite;
  std::uint64_t offset = 0;
  TimeNs begin_ns = 0;  // the TLS call was entered
  TimeNs end_ns = 0;    // the TLS call returned: the bytes were there
  std::string_view bytes;
  std::uint64_t missing = 0;  // stream bytes right behind `bytes` that the kernel did not copy
  SocketPair socket;          // kSocket only
};

}  // namespace llmtap

template <>
struct std::hash<llmtap::ConnId> {
  std::size_t operator()(const llmtap::ConnId& id) const noexcept {
    std::uint64_t h = id.conn * 0x9e3779b97f4a7c15ULL;
    h ^= (h >> 32) + id.generation * 0xc2b2ae3d27d4eb4fULL;
    h ^= (h >> 29) + id.tgid * 0x165667b19e3779f9ULL;
    return static_cast<std::size_t>(h ^ (h >> 32));
  }
};
