// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/socket_join.h"

#include <catch2/catch.hpp>

using namespace llmtap;

namespace {

Chunk chunk(std::uint64_t key, std::uint64_t offset, std::string_view bytes) {
  Chunk one;
  one.conn = {7, key, 1};
  one.offset = offset;
  one.bytes = bytes;
  one.end_ns = 1000;
  return one;
}

}  // namespace

TEST_CASE("join: what waited comes under the socket's name", "[unit]") {
  SocketJoin join;
  std::vector<std::string> seen;
  const auto on = [&](const Chunk& c) {
    seen.push_back(std::to_string(c.conn.conn) + "@" + std::to_string(c.offset) + " " +
                   std::string(c.bytes));
  };
  join.hold(chunk(16, 0, "ab"), on);
  join.hold(chunk(16, 2, "c"), on);
  join.hold(chunk(17, 0, "other"), on);
  CHECK(seen.empty());
  join.join({7, 16, 1}, {7, 99, 2}, 100, on);
  CHECK(seen == std::vector<std::string>{"99@100 ab", "99@102 c"});
  join.expire(1000 + SocketJoin::kLongest, on);
  CHECK(seen.back() == "17@0 other");
  CHECK(join.empty());
  CHECK(join.bytes() == 0);
}

TEST_CASE("join: many small records are not held beyond the limit either", "[unit]") {
  constexpr std::size_t kMost = 64 << 10;
  SocketJoin join(kMost);
  std::size_t delivered = 0;
  const auto on = [&](const Chunk&) { ++delivered; };
  for (std::size_t i = 0; i < 10000; ++i) join.hold(chunk(16, i, "x"), on);
  CHECK(join.bytes() <= kMost);
  CHECK(10000 - delivered <= kMost / sizeof(Chunk));
  join.end(7, on);
  CHECK(delivered == 10000);
  CHECK(join.bytes() == 0);
}
