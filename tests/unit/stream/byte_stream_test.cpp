// SPDX-License-Identifier: Apache-2.0
#include "parsers/stream/byte_stream.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace llmtap {
namespace {

constexpr std::size_t kLimit = 1 << 20;

class Log final : public StreamSink {
 public:
  void bytes(std::string_view bytes, TimeNs, TimeNs end_ns) override {
    text.append(bytes);
    last_ns = end_ns;
    view = bytes;
  }
  void hole(std::uint64_t count, TimeNs, TimeNs, bool overflow) override {
    text += "[" + std::to_string(count) + (overflow ? "!]" : "]");
  }
  std::string text;
  TimeNs last_ns = 0;
  std::string_view view;
};

struct Piece {
  std::uint64_t offset;
  std::string_view bytes;
  std::uint64_t missing = 0;
  TimeNs ns = 1;
};

Chunk chunk(const Piece& piece) {
  Chunk out;
  out.offset = piece.offset;
  out.bytes = piece.bytes;
  out.missing = piece.missing;
  out.begin_ns = out.end_ns = piece.ns;
  return out;
}

TEST_CASE("byte_stream: order, overlaps and holes", "[unit]") {
  constexpr TimeNs kLate = 10 + ByteStream::kReorderNs;
  struct Case {
    const char* name;
    std::vector<Piece> pieces;
    std::string expected;  // after give_up
  };
  const Case cases[] = {
      {"in order", {{0, "ab"}, {2, "cd"}}, "abcd"},
      {"swapped", {{0, "ab"}, {4, "ef"}, {2, "cd"}}, "abcdef"},
      {"reversed", {{4, "ef"}, {2, "cd"}, {0, "ab"}}, "abcdef"},
      {"duplicate", {{0, "ab"}, {0, "ab"}, {2, "cd"}}, "abcd"},
      {"overlap", {{0, "abcd"}, {2, "cdef"}}, "abcdef"},
      {"overlap while held", {{0, "ab"}, {4, "ef"}, {3, "defg"}, {2, "cd"}}, "abcdefg"},
      {"missing", {{0, "ab", 3}, {5, "cd"}}, "ab[3]cd"},
      {"missing only", {{0, "", 3}, {3, "cd"}}, "[3]cd"},
      {"missing while held", {{0, "ab"}, {4, "ef", 2}, {2, "cd"}, {8, "gh"}}, "abcdef[2]gh"},
      {"never filled", {{0, "ab"}, {4, "ef"}}, "ab[2]ef"},
      {"filled too late", {{0, "ab"}, {4, "ef", 0, 1}, {6, "gh", 0, kLate}, {2, "cd", 0, kLate}},
       "ab[2]efgh"},
      {"two holes", {{0, "a"}, {2, "c"}, {4, "e"}}, "a[1]c[1]e"},
      {"the beginning is lost", {{70, "ab"}, {72, "cd"}}, "[70]abcd"},
      {"starts anywhere, then a hole", {{70, "ab"}, {74, "ef"}}, "ab[2]ef"},
      {"starts anywhere", {{70, "ab"}, {72, "cd"}}, "abcd"},
      {"starts anywhere, swapped", {{72, "cd"}, {70, "ab"}}, "abcd"},
      {"end of the offsets", {{0, "a"}, {UINT64_MAX - 1, "bcd", 5}},
       "a[" + std::to_string(UINT64_MAX - 2) + "]bcd"},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      ByteStream stream;
      Log log;
      if (std::string_view(c.name).starts_with("starts anywhere")) stream.start_anywhere();
      for (const auto& piece : c.pieces) stream.push(chunk(piece), true, kLimit, log);
      stream.give_up(log);
      CHECK(log.text == c.expected);
      CHECK_FALSE(stream.waiting());
      CHECK(stream.memory() == 0);
    }
  }
}

TEST_CASE("byte_stream: in order nothing is copied or held", "[unit]") {
  ByteStream stream;
  Log log;
  const std::string bytes = "hello";
  stream.push(chunk({0, bytes}), true, kLimit, log);
  CHECK(log.view.data() == bytes.data());
  CHECK(stream.memory() == 0);
}

TEST_CASE("byte_stream: waiting ends by time, by limits, or never begins", "[unit]") {
  ByteStream stream;
  Log log;
  stream.push(chunk({0, "ab", 0, 5}), true, kLimit, log);
  SECTION("time") {
    stream.push(chunk({4, "ef", 0, 5}), true, kLimit, log);
    stream.expire(5 + ByteStream::kReorderNs, log);
    CHECK(log.text == "ab");
    stream.expire(6 + ByteStream::kReorderNs, log);
    CHECK(log.text == "ab[2]ef");
  }
  SECTION("bytes") {
    stream.push(chunk({4, "efgh"}), true, 3, log);
    CHECK(log.text == "ab[2!]efgh");
  }
  SECTION("pieces") {
    for (std::uint64_t i = 0; i <= ByteStream::kMaxHeldPieces; ++i) {
      stream.push(chunk({4 + 2 * i, "x"}), true, kLimit, log);
    }
    CHECK(log.text == "ab[2!]x");
  }
  SECTION("impatient") {
    stream.push(chunk({4, "ef"}), false, kLimit, log);
    CHECK(log.text == "ab[2]ef");
  }
}

}  // namespace
}  // namespace llmtap
