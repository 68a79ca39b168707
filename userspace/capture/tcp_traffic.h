// SPDX-License-Identifier: Apache-2.0
//
// How many bytes a process's HTTPS sockets have sent, as TCP counts them (sock_diag(7), Linux 4.2):
// tells a process that speaks TLS out of our sight from one that says nothing.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>

namespace llmtap {

// Established sockets with port 443 on either end: inode → bytes that the peer has acknowledged.
using SentBytes = std::map<std::uint64_t, std::uint64_t>;

// One look at the machine; network namespaces are read once. It moves the calling thread into
// them: use a thread of its own that does nothing else with the network.
class TcpTraffic {
 public:
  SentBytes of(pid_t pid);

 private:
  const SentBytes& of_namespace(pid_t pid);

  std::map<std::uint64_t, SentBytes> namespaces_;  // by the namespace's inode
};

}  // namespace llmtap
