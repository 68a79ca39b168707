// SPDX-License-Identifier: Apache-2.0
//
// Answers that overtake their request, errors, what is no call, limits.
#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "tests/support/encode.h"
#include "tests/unit/assembly/chat_call.h"

using namespace llmtap;
using namespace llmtap::testing;

TEST_CASE("call fold: an answer that overtakes its request waits", "[unit]") {
  FoldBench bench;
  CallFold fold = bench.fold();
  fold.request(post("api.openai.com", "/v1/chat/completions"), Direction::kWrite, at(1, 2));
  fold.body(Side::kRequest, kRequest, at(1, 2));
  fold.response(answer(200, "application/json"), at(3, 4));
  fold.body(Side::kResponse, kAnswer.substr(0, 50), at(3, 4));
  SECTION("and is read when the request is whole") {
    fold.finish(Side::kRequest, at(5, 6));
    fold.body(Side::kResponse, kAnswer.substr(50), at(7, 8));
    fold.finish(Side::kResponse, at(7, 8));
    fold.end(End::kComplete, at(9, 9));
    REQUIRE(bench.sink.records.size() == 1);
    CHECK_FALSE(bench.sink.records[0].partial);
  }
  SECTION("or at the end") {
    fold.body(Side::kResponse, kAnswer.substr(50), at(7, 8));
    fold.finish(Side::kResponse, at(7, 8));
    fold.end(End::kComplete, at(9, 9));
    REQUIRE(bench.sink.records.size() == 1);
    CHECK(bench.sink.records[0].partial);  // the request was never seen to be whole
  }
  SECTION("bounded") {
    for (int i = 0; i < 60; ++i) fold.body(Side::kResponse, std::string(4096, ' '), at(5, 6));
    CHECK(bench.sink.progressed.empty());
    for (int i = 0; i < 10; ++i) fold.body(Side::kResponse, std::string(4096, ' '), at(5, 6));
    CHECK(bench.sink.progressed.size() == 1);  // decided: nothing waits any more
    fold.body(Side::kResponse, kAnswer.substr(50), at(7, 8));
    fold.finish(Side::kResponse, at(7, 8));
    fold.end(End::kComplete, at(9, 9));
    REQUIRE(bench.sink.records.size() == 1);
  }
  REQUIRE(bench.sink.records.size() == 1);
  CHECK(text_of(bench.sink.records[0]) == "Hello");
}

TEST_CASE("call fold: errors", "[unit]") {
  struct Case {
    const char* name;
    int status;
    const char* type;
    Headers headers;
    std::string_view body;
    CallError expected;
  };
  const Case cases[] = {
      {"openai", 429, "application/json", {},
       R"({"error":{"message":"quota","type":"insufficient_quota","param":null,"code":"c"}})",
       {"insufficient_quota", "c", "quota", {}, false}},
      {"google", 400, "application/json", {},
       R"({"error":{"code":400,"message":"bad","status":"INVALID_ARGUMENT"}})",
       {"INVALID_ARGUMENT", "400", "bad", {}, false}},
      {"google, in an array", 400, "application/json", {},
       R"([{"error":{"code":400,"message":"bad","status":"INVALID_ARGUMENT"}}])",
       {"INVALID_ARGUMENT", "400", "bad", {}, false}},
      {"text", 404, "application/json", {}, R"({"error":"no such model"})", {"", "", "no such model", {}, false}},
      {"aws header", 400, "application/json", {{"x-amzn-errortype", "ValidationException:http://x/"}},
       R"({"message":"m"})", {"ValidationException", "", "m", {}, false}},
      {"aws type", 400, "application/json", {}, R"({"__type":"com.x#Throttled","message":"m"})",
       {"Throttled", "", "m", {}, false}},
      {"fastapi", 422, "application/json", {}, R"({"detail":[{"loc":[1]}]})",
       {"", "", R"([{"loc":[1]}])", {}, false}},
      {"plain", 502, "text/plain", {}, "upstream down", {"", "", "upstream down", {}, false}},
      {"nothing", 500, "", {}, "", {"", "", "", {}, false}},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      FoldBench bench;
      fold_interaction(bench.context, bench.conn, chat(answer(c.status, c.type, c.headers), c.body));
      REQUIRE(bench.sink.records.size() == 1);
      const auto& error = bench.sink.records[0].error;
      REQUIRE(error);
      CHECK(error->type == c.expected.type);
      CHECK(error->code == c.expected.code);
      CHECK(error->message == c.expected.message);
    }
  }
}

TEST_CASE("call fold: what is no call is reported as such and not kept", "[unit]") {
  SECTION("another service") {
    FoldBench bench;
    CallFold fold = bench.fold();
    fold.request(post("example.org", "/upload"), Direction::kWrite, at(1, 2));
    fold.body(Side::kRequest, "PK" + std::string(1 << 20, 'x'), at(1, 2));
    CHECK(fold.memory() < 16 * 1024);
    fold.finish(Side::kRequest, at(1, 2));
    CHECK(fold.verdict() == ConnVerdict::kWatch);
    fold.response(answer(200, "application/json"), at(3, 4));
    for (int i = 0; i < 100; ++i) fold.body(Side::kResponse, std::string(100'000, '{'), at(3, 4));
    CHECK(fold.memory() < 16 * 1024);
    fold.finish(Side::kResponse, at(3, 4));
    fold.end(End::kComplete, at(3, 4));
    CHECK(bench.sink.others == 1);
    CHECK(bench.sink.records.empty());
    CHECK(bench.sink.verdicts == std::vector{ConnVerdict::kWatch});
  }
  SECTION("a call under an unknown path is found by its body") {
    FoldBench bench;
    auto interaction = chat(answer(200, "application/json"), kAnswer);
    interaction.request.path = "/gateway/llm";
    interaction.request.authority = "gw.example";
    fold_interaction(bench.context, bench.conn, interaction);
    REQUIRE(bench.sink.records.size() == 1);
    CHECK(bench.sink.records[0].dialect == "openai_chat");
  }
  SECTION("so is one whose head was not seen") {
    FoldBench bench;
    auto interaction = chat(answer(200, "application/json"), kAnswer);
    interaction.request = RequestHead{};
    interaction.request.partial = true;
    fold_interaction(bench.context, bench.conn, interaction);
    REQUIRE(bench.sink.records.size() == 1);
    CHECK(bench.sink.records[0].partial);
  }
}

TEST_CASE("call fold: limits", "[unit]") {
  SECTION("request body") {
    FoldBench bench;
    bench.limits.request_body = 50;
    fold_interaction(bench.context, bench.conn, chat(answer(200, "application/json"), kAnswer));
    REQUIRE(bench.sink.records.size() == 1);
    CHECK(bench.sink.records[0].partial);
    CHECK(bench.sink.losses.times(LossReason::kBodyLimit) == 1);
    CHECK(text_of(bench.sink.records[0]) == "Hello");
  }
  SECTION("response body") {
    FoldBench bench;
    bench.limits.response_body = 50;
    fold_interaction(bench.context, bench.conn, chat(answer(200, "application/json"), kAnswer));
    REQUIRE(bench.sink.records.size() == 1);
    CHECK(bench.sink.records[0].partial);
    CHECK(bench.sink.records[0].output.empty());
  }
  SECTION("text of a record") {
    FoldBench bench;
    bench.limits.record_text = 100'000;
    CallFold fold = asked(bench);
    fold.response(answer(200, "text/event-stream"), at(200, 250));
    const std::string event = "data: {\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,"
                              "\"delta\":{\"content\":\"" + std::string(1000, 'x') + "\"}}]}\n\n";
    for (int i = 0; i < 5000; ++i) fold.body(Side::kResponse, event, at(300, 350));
    fold.end(End::kComplete, at(300, 350));
    REQUIRE(bench.sink.records.size() == 1);
    CHECK(text_of(bench.sink.records[0]).size() < 1'500'000);
    CHECK(bench.sink.losses.times(LossReason::kContentLimit) > 0);
    CHECK(bench.sink.records[0].partial);
  }
  SECTION("broken coding") {
    FoldBench bench;
    fold_interaction(bench.context, bench.conn,
                     chat(answer(200, "application/json", {{"content-encoding", "gzip"}}), kAnswer));
    REQUIRE(bench.sink.records.size() == 1);
    CHECK(bench.sink.records[0].partial);
    CHECK(bench.sink.losses.bytes(LossReason::kBadCoding) == kAnswer.size());
  }
}

TEST_CASE("call fold: what an answer may bring before its request is bounded", "[unit]") {
  FoldBench bench;
  CallFold fold = bench.fold();
  fold.request(post("example.org", "/x"), Direction::kWrite, at(1, 2));
  fold.body(Side::kRequest, R"({"a":)", at(1, 2));
  fold.response(answer(200, "application/json"), at(3, 4));
  std::size_t most = 0;
  for (int i = 0; i < 256; ++i) {
    fold.body(Side::kResponse, std::string(4096, 'x'), at(5, 6));
    most = std::max(most, fold.memory());
  }
  CHECK(most > std::size_t{64} << 10);  // it does wait
  CHECK(most < std::size_t{320} << 10);
  CHECK(fold.memory() < std::size_t{64} << 10);
}
