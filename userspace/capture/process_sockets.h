// SPDX-License-Identifier: Apache-2.0
//
// Does a process speak HTTPS, whatever it does it with? For telling that its TLS is not seen.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <set>
#include <string_view>

namespace llmtap {

// Inodes of established TCP sockets with port 443 on either end, from the text of
// /proc/PID/net/tcp or tcp6 (proc_pid_net(5)).
std::set<std::uint64_t> https_sockets(std::string_view text);

// How many of them the process holds now.
std::size_t https_connections(pid_t pid);

// Inodes of all sockets that the process holds.
std::set<std::uint64_t> socket_inodes(pid_t pid);

}  // namespace llmtap
