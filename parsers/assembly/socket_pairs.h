// SPDX-License-Identifier: Apache-2.0
//
// The addresses of connections, and which two connections are the ends of one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "parsers/core/chunk.h"
#include "parsers/core/endpoint.h"

namespace llmtap {

class SocketPairs {
 public:
  static constexpr std::size_t kMost = 65536;  // beyond it connections have no addresses

  void add(const ConnId& conn, const SocketPair& pair);
  void remove(const ConnId& conn);
  // Null: not known. Valid until the next change.
  const SocketPair* of(const ConnId& conn) const;
  // The connection whose addresses mirror this one's. Null: none known. Likewise.
  const ConnId* peer_of(const ConnId& conn) const;
  std::size_t size() const { return pairs_.size(); }

 private:
  std::unordered_map<ConnId, SocketPair> pairs_;
  std::unordered_map<std::uint64_t, ConnId> by_hash_;  // of local and remote; the latest one stays
};

// May these be the ends of one connection? No, if neither port is the same at both: what translates
// addresses on the way leaves one of them alone.
bool may_be_ends(const SocketPair& a, const SocketPair& b);

}  // namespace llmtap
