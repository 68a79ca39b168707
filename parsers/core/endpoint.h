// SPDX-License-Identifier: Apache-2.0
//
// The addresses of a connection's socket. An attribute: bytes are never grouped by it.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>

namespace llmtap {

// One end of a TCP connection. IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2).
struct Endpoint {
  std::array<std::uint8_t, 16> address{};  // network order
  std::uint16_t port = 0;

  bool is_loopback() const;
  auto operator<=>(const Endpoint&) const = default;
};

// "10.1.2.3:443", "[::1]:443".
std::string to_string(const Endpoint& endpoint);

// As the observed process has it.
struct SocketPair {
  Endpoint local;
  Endpoint remote;
  std::uint32_t netns = 0;  // inode number of the network namespace; 0: not known
  bool inferred = false;    // from sizes: likely, and wrong where connections are much alike

  bool operator==(const SocketPair&) const = default;
};

// The other end of the same connection. Loopback addresses mean something within their namespace only.
bool mirrors(const SocketPair& a, const SocketPair& b);

}  // namespace llmtap
