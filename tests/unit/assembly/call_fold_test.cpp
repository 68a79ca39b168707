// SPDX-License-Identifier: Apache-2.0
#include "parsers/assembly/call_fold.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/support/encode.h"
#include "tests/unit/assembly/chat_call.h"

using namespace llmtap;
using namespace llmtap::testing;

TEST_CASE("call fold: the fields that no dialect needs to fill", "[unit]") {
  FoldBench bench;
  auto interaction = chat(answer(200, "application/json",
                                 {{"x-request-id", "req_1"},
                                  {"set-cookie", "x"},
                                  {"retry-after", "3"},
                                  {"x-ratelimit-remaining-requests", "9"}}),
                          kAnswer);
  fold_interaction(bench.context, bench.conn, interaction);
  REQUIRE(bench.sink.records.size() == 1);
  const CallRecord& call = bench.sink.records[0];
  CHECK(call.provider == "openai");
  CHECK(call.dialect == "openai_chat");
  CHECK(call.host == "api.openai.com");
  CHECK(call.port == 443);
  CHECK(call.method == "POST");
  CHECK(call.path == "/v1/chat/completions?key=***&a=1");
  CHECK(call.http_status == 200);
  CHECK_FALSE(call.streamed);
  CHECK(call.model_requested == "gpt-4o");
  CHECK(text_of(call) == "Hello");
  CHECK(call.request_id == "req_1");
  CHECK(call.retry_after_s == 3.0);
  CHECK_FALSE(call.error);
  REQUIRE(call.rate_limits.size() == 1);
  CHECK(call.sdk.name == "openai");
  CHECK(call.trace.datadog_trace_id == "123");
  CHECK(call.trace.traceparent.size() == 55);
  CHECK(call.request_bytes == kRequest.size());
  CHECK(call.response_bytes == kAnswer.size());
  CHECK(call.end == End::kComplete);
  CHECK_FALSE(call.partial);
  CHECK(call.conn == bench.conn);
  CHECK(call.observed == ObservedEnd::kClient);
  for (const auto& header : call.request_headers) {
    CHECK(header.name != "authorization");
    CHECK(header.name != "cookie");
  }
  CHECK_FALSE(find_header(call.response_headers, "set-cookie"));
  CHECK(bench.sink.verdicts == std::vector{ConnVerdict::kLlm});
}

TEST_CASE("call fold: one record whatever the pieces and codings", "[unit]") {
  struct Case {
    const char* name;
    const char* type;
    const char* coding;
    std::string body;
    bool streamed;
  };
  const Case cases[] = {{"whole", "application/json", "", std::string(kAnswer), false},
                        {"whole, gzip", "application/json", "gzip", encode(kAnswer, Coding::kGzip), false},
                        {"stream", "text/event-stream", "", std::string(kStream), true},
                        {"stream, gzip", "text/event-stream", "gzip", encode(kStream, Coding::kGzip), true}};
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      std::optional<CallRecord> first;
      for (std::size_t piece = 0; piece <= c.body.size(); ++piece) {
        CAPTURE(piece);
        FoldBench bench;
        Headers headers;
        if (*c.coding != '\0') headers.add("content-encoding", c.coding);
        auto interaction = chat(answer(200, c.type, headers), c.body);
        interaction.piece = piece;
        fold_interaction(bench.context, bench.conn, interaction);
        REQUIRE(bench.sink.records.size() == 1);
        if (!first) first = bench.sink.records[0];
        REQUIRE((bench.sink.records[0] == *first));
      }
      CHECK(first->streamed == c.streamed);
      CHECK(text_of(*first) == "Hello");
      CHECK(first->finish_reason == "stop");
    }
  }
}

TEST_CASE("call fold: time marks on the client's and on the server's end", "[unit]") {
  const auto run = [](Direction direction) {
    FoldBench bench;
    CallFold fold = asked(bench, direction);
    fold.response(answer(200, "text/event-stream"), at(200, 250));
    fold.body(Side::kResponse, kStream.substr(0, 30), at(200, 250));
    fold.body(Side::kResponse, kStream.substr(30, 300), at(300, 350));
    fold.body(Side::kResponse, kStream.substr(330), at(400, 450));
    fold.finish(Side::kResponse, at(400, 450));
    fold.end(End::kComplete, at(900, 900));
    REQUIRE(bench.sink.records.size() == 1);
    CHECK(bench.sink.progressed == std::vector<bool>{false, true});
    return bench.sink.records[0].timing;
  };
  const Timing client = run(Direction::kWrite);
  CHECK(client.request_start == 100);
  CHECK(client.request_end == 110);
  CHECK(client.response_start == 250);
  CHECK(client.first_token == 350);
  CHECK(client.last_token == 450);
  CHECK(client.end == 450);
  const Timing server = run(Direction::kRead);
  CHECK(server.request_start == 105);
  CHECK(server.response_start == 200);
  CHECK(server.first_token == 300);
}

TEST_CASE("call fold: ends", "[unit]") {
  SECTION("cancelled in the stream") {
    FoldBench bench;
    CallFold fold = asked(bench);
    fold.response(answer(200, "text/event-stream"), at(200, 250));
    fold.body(Side::kResponse, kStream.substr(0, kStream.find("lo\"")), at(300, 350));
    fold.end(End::kCancelled, at(400, 400));
    REQUIRE(bench.sink.records.size() == 1);
    const CallRecord& call = bench.sink.records[0];
    CHECK(text_of(call) == "Hel");
    CHECK(call.end == End::kCancelled);
    CHECK(call.timing.end == 400);
    CHECK_FALSE(call.partial);
  }
  SECTION("left at the terminator: whole") {
    FoldBench bench;
    CallFold fold = asked(bench);
    fold.response(answer(200, "text/event-stream"), at(200, 250));
    fold.body(Side::kResponse, kStream, at(300, 350));
    fold.end(End::kCancelled, at(900, 900));
    REQUIRE(bench.sink.records.size() == 1);
    CHECK(bench.sink.records[0].end == End::kComplete);
    CHECK(bench.sink.records[0].timing.end == 350);
  }
  SECTION("no answer at all") {
    FoldBench bench;
    asked(bench).end(End::kTruncated, at(700, 700));
    REQUIRE(bench.sink.records.size() == 1);
    const CallRecord& call = bench.sink.records[0];
    CHECK_FALSE(call.http_status);
    CHECK_FALSE(call.timing.response_start);
    CHECK(call.end == End::kTruncated);
    CHECK(call.model_requested == "gpt-4o");
  }
  SECTION("the client left inside its request") {
    FoldBench bench;
    CallFold fold = bench.fold();
    fold.request(post("api.openai.com", "/v1/chat/completions"), Direction::kWrite, at(1, 2));
    fold.body(Side::kRequest, kRequest.substr(0, 30), at(1, 2));
    fold.end(End::kCancelled, at(5, 5));
    REQUIRE(bench.sink.records.size() == 1);
    CHECK(bench.sink.records[0].partial);
  }
  SECTION("evicted") {
    FoldBench bench;
    asked(bench).end(End::kEvicted, at(700, 700));
    REQUIRE(bench.sink.records.size() == 1);
    CHECK(bench.sink.records[0].partial);
    CHECK(bench.sink.records[0].timing.end == 110);
  }
}

TEST_CASE("call fold: gaps mark their call and are counted", "[unit]") {
  FoldBench bench;
  CallFold fold = asked(bench);
  fold.response(answer(200, "text/event-stream"), at(200, 250));
  const auto cut = kStream.find("\"Hel\"");
  const auto go_on = kStream.find("\"content\":\"lo\"");
  fold.body(Side::kResponse, kStream.substr(0, cut), at(300, 350));
  fold.gap(Side::kResponse, go_on - cut);
  fold.body(Side::kResponse, kStream.substr(go_on), at(400, 450));
  fold.finish(Side::kResponse, at(400, 450));
  fold.end(End::kComplete, at(400, 450));
  REQUIRE(bench.sink.records.size() == 1);
  const CallRecord& call = bench.sink.records[0];
  CHECK(call.partial);
  CHECK(call.bytes_lost >= go_on - cut);
  CHECK(call.finish_reason == "stop");
  CHECK(text_of(call).empty());
}
