// SPDX-License-Identifier: Apache-2.0
//
// NDJSON, growing arrays, whole bodies, media, and the choice between them.
#include <catch2/catch.hpp>

#include "tests/unit/body/body_support.h"

using namespace llmtap;
using namespace llmtap::testing;

TEST_CASE("body: the decoder is chosen by type and first bytes, at every split", "[unit]") {
  struct Case {
    const char* name;
    const char* type;
    std::string_view input;
    const char* expected;
  };
  const Case cases[] = {
      {"json", "application/json", "{\"a\": 1}\n", "|{\"a\": 1}\n\n"},
      {"pretty json", "application/json", "{\n  \"a\": {\n  }\n}", "|{\n  \"a\": {\n  }\n}\n"},
      {"array of numbers", "application/json", "[ [1], [2]]", "|[ [1], [2]]\n"},
      {"array of objects", "application/json; charset=UTF-8", " [{\"a\":1}\n,\r\n{\"b\":[{}]}\n]\n",
       "|{\"a\":1}\n|{\"b\":[{}]}\n"},
      {"empty array", "application/json", "[]", "|[]\n"},
      {"sse under json", "application/json", "data: {\"a\":1}\n\ndata: [DONE]\n\n",
       "|{\"a\":1}\n|[DONE]\n"},
      {"sse under nothing", "", "event: x\ndata: {}\n\n", "x|{}\n"},
      {"sse comment first", "text/plain", ": hi\n\ndata: {}\n\n", "|{}\n"},
      {"sse declared, odd field first", "text/event-stream", "foo: x\ndata: {}\n\n", "|{}\n"},
      {"error under event-stream", "text/event-stream", "{\"error\": \"x\"}", "|{\"error\": \"x\"}\n"},
      {"ndjson", "application/x-ndjson", "{\"a\":1}\n\n {\"b\":2} \r\n{\"c\":3}",
       "|{\"a\":1}\n|{\"b\":2}\n|{\"c\":3}\n"},
      {"cohere's lines", "application/stream+json", "{\"a\":1}\n{\"b\":2}\n", "|{\"a\":1}\n|{\"b\":2}\n"},
      {"lines under json", "application/json", "{\"a\":1}\n{\"b\":2}\n", "|{\"a\":1}\n|{\"b\":2}\n"},
      {"crlf lines under json", "application/json", "{\"a\":1}\r\n{\"b\":2}", "|{\"a\":1}\n|{\"b\":2}\n"},
      {"text", "text/html", "<html>\n{", "|<html>\n{\n"},
      {"a word like a field", "text/plain", "dat", "|dat\n"},
      {"blank lines before json", "application/json", "\n\n \n{\"a\":1}", "|{\"a\":1}\n"},
      {"only blank", "application/json", " \n\n", ""},
      {"braces in strings", "application/json", "[{\"a\":\"}]\\\"{\\\\\"},{\"b\":\"[\"}]",
       "|{\"a\":\"}]\\\"{\\\\\"}\n|{\"b\":\"[\"}\n"},
      {"nested arrays", "application/json", "[{\"a\":[[{}],[]]} , [1] , 2, {\"b\":{}}] junk",
       "|{\"a\":[[{}],[]]}\n|[1]\n|{\"b\":{}}\n"},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      for (std::size_t piece = 1; piece <= c.input.size() + 1; ++piece) {
        CAPTURE(piece);
        REQUIRE(text(decode(make_body_decoder(typed(c.type), {}), c.input, piece)) == c.expected);
      }
    }
  }
}

TEST_CASE("body: media are counted, not kept", "[unit]") {
  auto decoder = make_body_decoder(typed("audio/mpeg"), {});
  Collected out;
  feed_pieces(*decoder, std::string(100'000, 'x'), 4096, out);
  CHECK(decoder->memory() < 1000);
  decoder->gap(5);
  decoder->finish(1, true, out);
  REQUIRE(out.events.size() == 1);
  CHECK(out.events[0].skipped == 100'005);
  CHECK(out.events[0].data.empty());
  CHECK(out.events[0].media_type == "audio/mpeg");
}

TEST_CASE("body: streamed or not", "[unit]") {
  struct Case {
    const char* type;
    std::string_view input;
    bool streamed;
  };
  const Case cases[] = {{"text/event-stream", "data: a\n\n", true},
                        {"text/event-stream", "{\"error\":1}", false},
                        {"application/json", "{}", false},
                        {"application/json", "{}\n{}\n", true},
                        {"application/x-ndjson", "{}\n", true},
                        {"application/json", "data: a\n\n", true}};
  for (const auto& c : cases) {
    CAPTURE(c.type, c.input);
    auto decoder = make_body_decoder(typed(c.type), {});
    Collected out;
    decoder->feed(c.input, 1, out);
    CHECK(decoder->streamed() == c.streamed);
  }
}

TEST_CASE("body: an announced size takes no memory by itself", "[unit]") {
  const std::size_t size = std::size_t{8} << 20;
  const Headers headers = {{"content-type", "application/json"},
                           {"content-length", std::to_string(size)}};
  auto decoder = make_body_decoder(headers, {});
  Collected out;
  const std::string piece(16 * 1024, ' ');
  decoder->feed("{" + piece, 1, out);
  CHECK(decoder->memory() < 64 * 1024);
  for (std::size_t fed = 0; fed < size / 2; fed += piece.size()) decoder->feed(piece, 1, out);
  CHECK(decoder->memory() < size + 4096);  // made room once
  decoder->feed("}", 1, out);
  decoder->finish(1, true, out);
  CHECK(out.events.size() == 1);
}

TEST_CASE("body: gaps", "[unit]") {
  struct Case {
    const char* name;
    const char* type;
    std::string_view before, after;
    const char* expected;
  };
  const Case cases[] = {
      {"ndjson in a line", "application/x-ndjson", "{\"a\":1}\n{\"b", "c\":2}\n{\"d\":3}\n",
       "|{\"a\":1}\n~|{\"d\":3}\n"},
      {"array in an element", "application/json", "[{\"a\":1},\n{\"b", "\": [{\n  }]\n}\n,\n{\"d\":3}\n]",
       "|{\"a\":1}\n~|{\"d\":3}\n"},
      {"array, comma at the line's start", "application/json", "[{\"a\":1}", "x\"}\n,{\"d\":3}]",
       "|{\"a\":1}\n~|{\"d\":3}\n"},
      {"whole", "application/json", "{\"a\":", "1}", ""},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      for (std::size_t piece = 1; piece <= 20; ++piece) {
        CAPTURE(piece);
        auto decoder = make_body_decoder(typed(c.type), {});
        Collected out;
        feed_pieces(*decoder, c.before, piece, out);
        decoder->gap(3);
        feed_pieces(*decoder, c.after, piece, out);
        decoder->finish(1, true, out);
        REQUIRE(text(out) == c.expected);
      }
    }
  }
}

TEST_CASE("body: limits are reached, counted and survived", "[unit]") {
  const std::string big = "\"" + std::string(300, 'x') + "\"";
  struct Case {
    const char* name;
    const char* type;
    std::string input;
    const char* expected;
  };
  const Case cases[] = {
      {"line", "application/x-ndjson", "{}\n{\"a\":" + big + "}\n{\"b\":1}\n", "|{}\n~|{\"b\":1}\n"},
      {"element", "application/json", "[{\"c\":1},{\"a\":" + big + "},{\"b\":1}]",
       "|{\"c\":1}\n~|{\"b\":1}\n"},
      {"whole", "application/json", "{\"a\":" + big + "}", ""},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      for (std::size_t piece = 1; piece <= c.input.size(); ++piece) {
        CAPTURE(piece);
        auto decoder = make_body_decoder(typed(c.type), {.whole = 200, .event = 200});
        Collected out;
        feed_pieces(*decoder, c.input, piece, out);
        REQUIRE(decoder->memory() < 2000);
        decoder->finish(1, true, out);
        REQUIRE(text(out) == c.expected);
        REQUIRE(out.losses.times(LossReason::kBodyLimit) > 0);
      }
    }
  }
}
