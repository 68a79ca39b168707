// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "tests/unit/body/body_support.h"

using namespace llmtap;
using namespace llmtap::testing;

namespace {

std::unique_ptr<BodyDecoder> sse(BodyLimits limits = {}) {
  return make_body_decoder(BodyKind::kSse, {}, limits);
}

}  // namespace

TEST_CASE("sse: framing, at every split", "[unit]") {
  struct Case {
    const char* name;
    std::string_view input;
    const char* expected;
  };
  const Case cases[] = {
      {"empty", "", ""},
      {"one event", "data: a\n\n", "|a\n"},
      {"crlf", "event: e\r\ndata: a\r\n\r\ndata: b\r\n\r\n", "e|a\n|b\n"},
      {"cr alone", "event: e\rdata: a\r\rdata: b\r\r", "e|a\n|b\n"},
      {"mixed ends", "data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", "|a\n|b\n|c\n"},
      {"byte order mark", "\xEF\xBB\xBF" "data: a\n\n", "|a\n"},
      {"mark only at the start", "data: a\n\n\xEF\xBB\xBF" "data: b\n\n", "|a\n"},
      {"comments", ": OPENROUTER PROCESSING\n\n:\ndata: a\n:x\n\n", "|a\n"},
      {"several data lines", "data: a\ndata\ndata:b\ndata:  c\n\n", "|a\n\nb\n c\n"},
      {"empty data is an event", "event: e\ndata\n\ndata:\n\n", "e|\n|\n"},
      {"no data is none", "event: e\n\ndata: a\n\n", "|a\n"},
      {"a name does not outlive its event", "event: e\ndata: a\n\ndata: b\n\n", "e|a\n|b\n"},
      {"last name wins", "event: e\nevent: f\ndata: a\n\n", "f|a\n"},
      {"unknown fields", "id: 1\nretry: 5\nDATA: x\ndata : x\nfoo\ndata: a\n\n", "|a\n"},
      {"colon in data", "data: {\"a\": \"b:c\"}\n\n", "|{\"a\": \"b:c\"}\n"},
      {"many blank lines", "\n\n\r\n\rdata: a\n\n\n\n", "|a\n"},
      {"end without blank line", "data: a\n\ndata: [DONE]\n", "|a\n|[DONE]\n"},
      {"end without newline", "data: a\n\ndata: [DONE]", "|a\n|[DONE]\n"},
      {"end in CR", "data: a\r", "|a\n"},
      {"long lines", "data: 0123456789012345678901234567890123456789\nevent: longer_than_sso_name_x\n\n",
       "longer_than_sso_name_x|0123456789012345678901234567890123456789\n"},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      for (std::size_t piece = 1; piece <= c.input.size() + 1; ++piece) {
        CAPTURE(piece);
        REQUIRE(text(decode(sse(), c.input, piece)) == c.expected);
      }
    }
  }
}

TEST_CASE("sse: an event carries the stamp of its last byte", "[unit]") {
  auto decoder = sse();
  Collected out;
  decoder->feed("data: a", 10, out);
  decoder->feed("\n", 20, out);
  CHECK(out.events.empty());
  decoder->feed("\ndata: b\n\n", 30, out);
  CHECK(out.stamps == std::vector<TimeNs>{30, 30});
}

TEST_CASE("sse: a cut body drops the event under way", "[unit]") {
  CHECK(text(decode(sse(), "data: a\n\ndata: {\"b", 3, false)) == "|a\n");
  CHECK(text(decode(sse(), "data: a\n\ndata: b\n", 3, false)) == "|a\n|b\n");
}

TEST_CASE("sse: resync at the blank line behind a gap", "[unit]") {
  struct Case {
    const char* name;
    std::string_view before, after;
    const char* expected;
  };
  const Case cases[] = {
      {"in data", "data: a\n\ndata: {\"b", "c\"}\n\ndata: d\n\n", "|a\n~|d\n"},
      {"between events", "data: a\n\n", "data: b\n\ndata: c\n\n", "|a\n~|c\n"},
      {"in a name", "event: x", "yz\ndata: lost\n\nevent: n\ndata: c\n\n", "~n|c\n"},
      {"a newline first is no blank line", "data: a", "\ndata: lost\n\ndata: c\n\n", "~|c\n"},
      {"crlf", "data: a\r\n\r\ndata", "x\r\n\r\ndata: c\r\n\r\n", "|a\n~|c\n"},
      {"nothing behind it", "data: a\n\nda", "ta: b", "|a\n"},
      {"once marked only", "d", "\n\ndata: b\n\ndata: c\n\n", "~|b\n|c\n"},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      for (std::size_t piece = 1; piece <= 12; ++piece) {
        CAPTURE(piece);
        auto decoder = sse();
        Collected out;
        feed_pieces(*decoder, c.before, piece, out);
        decoder->gap(7);
        feed_pieces(*decoder, c.after, piece, out);
        decoder->finish(9, true, out);
        REQUIRE(text(out) == c.expected);
      }
    }
  }
}

TEST_CASE("sse: an event over its limit is counted and skipped", "[unit]") {
  const std::string big(200, 'x');
  const std::string inputs[] = {
      "data: a\n\ndata: " + big + "\ndata: more\n\ndata: b\n\n",
      "data: a\n\ndata: " + big.substr(0, 60) + "\ndata: " + big.substr(0, 60) + "\n\ndata: b\n\n",
  };
  for (const auto& input : inputs) {
    for (std::size_t piece = 1; piece <= input.size(); ++piece) {
      CAPTURE(piece);
      auto decoder = sse({.whole = 1000, .event = 100});
      Collected out;
      feed_pieces(*decoder, input, piece, out);
      REQUIRE(decoder->memory() < 1000);
      decoder->finish(1, true, out);
      REQUIRE(text(out) == "|a\n~|b\n");
      REQUIRE(out.losses.times(LossReason::kBodyLimit) == 1);
    }
  }
}

TEST_CASE("sse: memory of an idle stream is small after a large event", "[unit]") {
  auto decoder = sse();
  Collected out;
  feed_pieces(*decoder, "data: " + std::string(1 << 20, 'x') + "\n\n", 1000, out);
  REQUIRE(out.events.size() == 1);
  CHECK(decoder->memory() < 4096);
}
