// SPDX-License-Identifier: Apache-2.0
#include "parsers/core/endpoint.h"

#include <arpa/inet.h>

#include <algorithm>

namespace llmtap {
namespace {

constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool is_ipv4(const Endpoint& endpoint) {
  return std::equal(kMapped.begin(), kMapped.end(), endpoint.address.begin());
}

}  // namespace

bool Endpoint::is_loopback() const {
  if (is_ipv4(*this)) return address[12] == 127;
  constexpr std::array<std::uint8_t, 16> kOne = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return address == kOne;
}

std::string to_string(const Endpoint& endpoint) {
  char text[INET6_ADDRSTRLEN] = "";
  const bool ipv4 = is_ipv4(endpoint);
  inet_ntop(ipv4 ? AF_INET : AF_INET6, endpoint.address.data() + (ipv4 ? 12 : 0), text,
            sizeof(text));
  const std::string port = std::to_string(endpoint.port);
  return ipv4 ? std::string(text) + ':' + port : '[' + std::string(text) + "]:" + port;
}

bool mirrors(const SocketPair& a, const SocketPair& b) {
  if (a.local != b.remote || a.remote != b.local) return false;
  return a.netns == b.netns || !(a.local.is_loopback() || a.remote.is_loopback());
}

}  // namespace llmtap
