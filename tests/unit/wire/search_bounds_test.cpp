// SPDX-License-Identifier: Apache-2.0
//
// The searches for frame boundaries: bytes made to fill their tables neither grow them nor blind them.
#include <catch2/catch.hpp>
#include <string>

#include "parsers/wire/http2_search.h"
#include "parsers/wire/websocket_search.h"

using namespace llmtap;
using namespace std::string_literals;

namespace {

std::string repeat(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

}  // namespace

TEST_CASE("http2 search: candidates that nothing proves", "[unit]") {
  FrameSearch search;
  // Headers of DATA frames of 16 KiB, one behind the other.
  search.append(repeat("\x00\x40\x00\x00\x00\x00\x00\x00\x01"s, 4 * FrameSearch::kMaxCandidates));
  CHECK_FALSE(search.find());
  for (int i = 0; i < 16; ++i) {
    search.append(std::string(4096, 'x'));
    CHECK_FALSE(search.find());
    CHECK(search.memory() <= 2 * (FrameSearch::kMaxHeld + 4096) + 4096);
  }
  // SETTINGS, WINDOW_UPDATE.
  const std::string frames = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"s
                             "\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x01\x00\x00"s;
  search.append(frames);
  REQUIRE(search.find());
  CHECK(search.found() == frames);
}

TEST_CASE("websocket search: candidates that nothing proves", "[unit]") {
  WebSocketSearch search(false);
  // Text frames of 60,000 bytes that begin as JSON, one inside the other.
  search.append(repeat("\x81\x7e\xea\x60{\"........."s, 4 * WebSocketSearch::kMaxCandidates));
  CHECK_FALSE(search.find());
  for (int i = 0; i < 32; ++i) {
    search.append(std::string(4096, 'x'));
    CHECK_FALSE(search.find());
    CHECK(search.memory() <= 3 * WebSocketSearch::kMaxSpan);
  }
  const std::string frame = "\x81\x07{\"a\":1}"s + std::string(WebSocketSearch::kLook, 'x');
  search.append(frame);
  REQUIRE(search.find());
  CHECK(search.found().starts_with("\x81\x07{\"a\":1}"));
}
