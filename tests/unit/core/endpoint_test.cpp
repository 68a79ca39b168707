// SPDX-License-Identifier: Apache-2.0
#include "parsers/core/endpoint.h"

#include <catch2/catch.hpp>

#include "parsers/assembly/socket_pairs.h"

namespace llmtap {
namespace {

Endpoint ipv4(std::uint8_t a, std::uint8_t d, std::uint16_t port) {
  return {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, 0, 0, d}, port};
}

Endpoint ipv6(std::uint8_t first, std::uint8_t last, std::uint16_t port) {
  return {{first, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last}, port};
}

TEST_CASE("endpoint: text", "[unit]") {
  CHECK(to_string(ipv4(10, 7, 443)) == "10.0.0.7:443");
  CHECK(to_string(ipv6(0, 1, 8000)) == "[::1]:8000");
  CHECK(to_string(ipv6(0xfd, 2, 1)) == "[fd00::2]:1");
}

TEST_CASE("endpoint: mirrored pairs", "[unit]") {
  const auto mirrored = [](const Endpoint& a, const Endpoint& b, std::uint32_t netns) {
    return mirrors({a, b, 1}, {b, a, netns});
  };
  CHECK(mirrored(ipv4(127, 1, 40000), ipv4(127, 1, 80), 1));
  CHECK_FALSE(mirrored(ipv4(127, 1, 40000), ipv4(127, 1, 80), 2));
  CHECK_FALSE(mirrored(ipv6(0, 1, 40000), ipv6(0, 1, 80), 2));
  CHECK(mirrored(ipv4(10, 1, 40000), ipv4(10, 2, 80), 2));
  const SocketPair same{ipv4(10, 1, 40000), ipv4(10, 2, 80), 1};
  CHECK_FALSE(mirrors(same, same));
}

TEST_CASE("socket_pairs: finds the other end", "[unit]") {
  SocketPairs pairs;
  constexpr ConnId kA{1, 1, 1}, kB{2, 1, 1}, kC{3, 1, 1};
  const Endpoint client = ipv4(127, 1, 40000), server = ipv4(127, 1, 80);
  pairs.add(kA, {client, server, 1});
  CHECK(pairs.peer_of(kA) == nullptr);
  pairs.add(kB, {server, client, 1});
  REQUIRE(pairs.peer_of(kA) != nullptr);
  CHECK(*pairs.peer_of(kA) == kB);
  CHECK(*pairs.peer_of(kB) == kA);
  CHECK(pairs.peer_of(kC) == nullptr);
  pairs.remove(kB);
  CHECK(pairs.peer_of(kA) == nullptr);
  pairs.add(kB, {server, client, 2});  // another namespace's loopback
  CHECK(pairs.peer_of(kA) == nullptr);
}

}  // namespace
}  // namespace llmtap
