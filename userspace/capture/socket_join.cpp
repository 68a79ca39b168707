// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/socket_join.h"

namespace llmtap {
namespace {

std::size_t cost(const std::pair<Chunk, std::string>& one) {
  return sizeof(one) + one.second.size();
}

}  // namespace

void SocketJoin::hold(const Chunk& chunk, const ChunkSource::OnChunk& on_chunk) {
  Held& held = held_[chunk.conn];
  held.emplace_back(chunk, std::string(chunk.bytes));
  bytes_ += cost(held.back());
  if (bytes_ <= most_bytes_) return;
  deliver(held, chunk.conn, 0, on_chunk);
  held_.erase(chunk.conn);
}

void SocketJoin::join(const ConnId& key, const ConnId& socket, std::uint64_t base,
                      const ChunkSource::OnChunk& on_chunk) {
  const auto found = held_.find(key);
  if (found == held_.end()) return;
  deliver(found->second, socket, base, on_chunk);
  held_.erase(found);
}

void SocketJoin::expire(TimeNs now, const ChunkSource::OnChunk& on_chunk) {
  for (auto it = held_.begin(); it != held_.end();) {
    if (it->second.front().first.end_ns + kLongest > now) {
      ++it;
      continue;
    }
    deliver(it->second, it->first, 0, on_chunk);
    it = held_.erase(it);
  }
}

void SocketJoin::end(std::uint32_t tgid, const ChunkSource::OnChunk& on_chunk) {
  auto it = held_.lower_bound(ConnId{tgid, 0, 0});
  while (it != held_.end() && it->first.tgid == tgid) {
    deliver(it->second, it->first, 0, on_chunk);
    it = held_.erase(it);
  }
}

void SocketJoin::deliver(Held& held, const ConnId& conn, std::uint64_t base,
                         const ChunkSource::OnChunk& on_chunk) {
  for (auto& one : held) {
    bytes_ -= cost(one);
    auto& [chunk, bytes] = one;
    chunk.conn = conn;
    chunk.offset += base;
    chunk.bytes = bytes;
    on_chunk(chunk);
  }
  held.clear();
}

}  // namespace llmtap
