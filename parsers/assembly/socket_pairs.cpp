// SPDX-License-Identifier: Apache-2.0
#include "parsers/assembly/socket_pairs.h"

#include <string_view>

#include "parsers/assembly/stream_hash.h"

namespace llmtap {
namespace {

std::uint64_t hash(const Endpoint& local, const Endpoint& remote) {
  StreamHash hash;
  for (const auto& end : {local, remote}) {
    hash.add({reinterpret_cast<const char*>(end.address.data()), end.address.size()});
    hash.add({reinterpret_cast<const char*>(&end.port), sizeof(end.port)});
  }
  return hash.value();
}

}  // namespace

void SocketPairs::add(const ConnId& conn, const SocketPair& pair) {
  if (pairs_.size() >= kMost) return;
  bool doubtful = false;
  const auto [first, fresh] = by_hash_.try_emplace(hash(pair.local, pair.remote), conn);
  if (!fresh && first->second != conn) {
    const auto other = pairs_.find(first->second);
    if (other != pairs_.end() && other->second.open && other->second.pair.netns == pair.netns) {
      other->second.doubtful = doubtful = true;
    }
    first->second = conn;
  }
  pairs_.insert_or_assign(conn, Named{pair, true, doubtful});
}

bool SocketPairs::close(const ConnId& conn) {
  const auto found = pairs_.find(conn);
  if (found == pairs_.end()) return false;
  found->second.open = false;
  return true;
}

void SocketPairs::remove(const ConnId& conn) {
  const auto found = pairs_.find(conn);
  if (found == pairs_.end()) return;
  const auto by_hash = by_hash_.find(hash(found->second.pair.local, found->second.pair.remote));
  if (by_hash != by_hash_.end() && by_hash->second == conn) by_hash_.erase(by_hash);
  pairs_.erase(found);
}

const SocketPair* SocketPairs::of(const ConnId& conn) const {
  const auto found = pairs_.find(conn);
  return found == pairs_.end() || found->second.doubtful ? nullptr : &found->second.pair;
}

bool SocketPairs::sure(const ConnId& conn) const {
  const SocketPair* const pair = of(conn);
  return pair != nullptr && !pair->inferred;
}

const ConnId* SocketPairs::peer_of(const ConnId& conn) const {
  const SocketPair* const own = of(conn);
  if (own == nullptr) return nullptr;
  const auto found = by_hash_.find(hash(own->remote, own->local));
  if (found == by_hash_.end()) return nullptr;
  const SocketPair* const other = of(found->second);
  return other != nullptr && mirrors(*own, *other) ? &found->second : nullptr;
}

bool may_be_ends(const SocketPair& a, const SocketPair& b) {
  return a.local.port == b.remote.port || a.remote.port == b.local.port;
}

}  // namespace llmtap
