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

  // A socket serves one connection at a time: if an open one has named it already, one of them is
  // wrong, and neither's addresses count as known any more.
  void add(const ConnId& conn, const SocketPair& pair);
  // Keeps its addresses, but leaves the socket to others. True if there were any.
  bool close(const ConnId& conn);
  void remove(const ConnId& conn);
  // Null: not known. Valid until the next change.
  const SocketPair* of(const ConnId& conn) const;
  // The connection whose addresses mirror this one's. Null: none known. Likewise.
  const ConnId* peer_of(const ConnId& conn) const;
  // Known, and not inferred.
  bool sure(const ConnId& conn) const;
  std::size_t size() const { return pairs_.size(); }

 private:
  struct Named {
    SocketPair pair;
    bool open = true;
    bool doubtful = false;
  };
  std::unordered_map<ConnId, Named> pairs_;
  std::unordered_map<std::uint64_t, ConnId> by_hash_;  // of local and remote; the latest one stays
};

// May these be the ends of one connection? No, if neither port is the same at both: what translates
// addresses on the way leaves one of them alone.
bool may_be_ends(const SocketPair& a, const SocketPair& b);

}  // namespace llmtap
