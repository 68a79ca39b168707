// SPDX-License-Identifier: Apache-2.0
//
// WebSocket exchanges: several calls on one socket, and sockets without a call.
#include <catch2/catch.hpp>
#include <string>

#include "tests/unit/assembly/chat_call.h"

using namespace llmtap;
using namespace llmtap::testing;

namespace {

// A socket of the Responses API, upgraded.
CallFold socket(FoldBench& bench, std::string path = "/v1/responses") {
  CallFold fold = bench.fold();
  RequestHead head;
  head.method = "GET";
  head.authority = "api.openai.com";
  head.path = std::move(path);
  head.headers = {{"upgrade", "websocket"}, {"authorization", "Bearer sk-x"}, {"user-agent", "codex_cli_rs/0.1"}};
  fold.request(std::move(head), Direction::kWrite, at(1, 2));
  fold.finish(Side::kRequest, at(1, 2));
  return fold;
}

constexpr std::string_view kCreate =
    R"({"type":"response.create","model":"gpt-5","input":[{"role":"user","content":"Hi"}]})";
constexpr std::string_view kWarmUp =
    R"({"type":"response.create","model":"gpt-5","generate":false,"input":[]})";
constexpr std::string_view kDelta = R"({"type":"response.output_text.delta","output_index":0,)"
                                    R"("content_index":0,"item_id":"m","delta":"Hello"})";
constexpr std::string_view kCompleted =
    R"({"type":"response.completed","response":{"id":"r","status":"completed","model":"gpt-5-x",)"
    R"("output":[{"type":"message","id":"m","role":"assistant","content":[{"type":"output_text",)"
    R"("text":"Hello"}]}],"usage":{"input_tokens":3,"output_tokens":1,"total_tokens":4}}})";

}  // namespace

TEST_CASE("call fold: several calls on one socket", "[unit]") {
  FoldBench bench;
  CallFold fold = socket(bench);
  fold.response(answer(101, "", {{"x-request-id", "up"}}), at(3, 4));
  CHECK(fold.verdict() == ConnVerdict::kLlm);
  // A warm-up is no call, nor is its answer.
  fold.message(Side::kRequest, kWarmUp, true, at(10, 11));
  fold.message(Side::kResponse, kCompleted, true, at(12, 13));
  CHECK(bench.sink.records.empty());
  for (TimeNs t = 100; t <= 200; t += 100) {
    fold.message(Side::kRequest, kCreate, true, at(t, t + 1));
    fold.message(Side::kResponse, kDelta, true, at(t + 2, t + 3));
    fold.message(Side::kResponse, kCompleted, true, at(t + 4, t + 5));
  }
  // The third is cut by the close.
  fold.message(Side::kRequest, kCreate, true, at(300, 301));
  fold.message(Side::kResponse, kDelta, true, at(302, 303));
  fold.end(End::kComplete, at(400, 400));
  REQUIRE(bench.sink.records.size() == 3);
  CHECK(bench.sink.managed.empty());
  for (std::size_t i = 0; i < 3; ++i) {
    CAPTURE(i);
    const CallRecord& call = bench.sink.records[i];
    const TimeNs t = 100 * (i + 1);
    CHECK(call.provider == "openai");
    CHECK(call.model_requested == "gpt-5");
    CHECK(call.input.size() == 1);
    CHECK(text_of(call) == "Hello");
    CHECK(call.request_id == "up");
    CHECK(call.sdk.name == "codex_cli_rs");
    CHECK(call.timing.request_start == t);
    CHECK(call.timing.request_end == t + 1);
    CHECK(call.timing.response_start == t + 3);
    CHECK(call.timing.first_token == t + 3);
    CHECK(call.timing.end == (i < 2 ? t + 5 : t + 3));
    CHECK(call.end == (i < 2 ? End::kComplete : End::kCancelled));
    CHECK(call.streamed);
  }
}

TEST_CASE("call fold: sockets without a call", "[unit]") {
  SECTION("refused") {
    FoldBench bench;
    CallFold fold = socket(bench);
    fold.response(answer(426, "application/json"), at(3, 4));
    fold.body(Side::kResponse, R"({"error":{"message":"use HTTP"}})", at(3, 4));
    fold.finish(Side::kResponse, at(3, 4));
    fold.end(End::kComplete, at(3, 4));
    CHECK(bench.sink.records.empty());
    REQUIRE(bench.sink.managed.size() == 1);
    CHECK(bench.sink.managed[0].error->message == "use HTTP");
  }
  SECTION("a session in which nothing was asked") {
    FoldBench bench;
    CallFold fold = socket(bench);
    fold.response(answer(101, ""), at(3, 4));
    fold.message(Side::kRequest, kWarmUp, true, at(10, 11));
    fold.end(End::kComplete, at(30, 30));
    CHECK(bench.sink.records.empty());
    CHECK(bench.sink.managed.size() == 1);
  }
  SECTION("another service's socket") {
    FoldBench bench;
    CallFold fold = socket(bench, "/live");
    fold.response(answer(101, ""), at(3, 4));
    CHECK(fold.verdict() == ConnVerdict::kUnknown);
    for (int i = 0; i < 20; ++i) fold.message(Side::kRequest, R"({"op":1})", true, at(10, 11));
    CHECK(fold.verdict() == ConnVerdict::kWatch);
    fold.end(End::kComplete, at(30, 30));
    CHECK(bench.sink.others == 1);
    CHECK(bench.sink.verdicts.size() == 1);
  }
}

TEST_CASE("call fold: a socket that says nothing is asked a few times only", "[unit]") {
  const int others = GENERATE(7, 8);
  FoldBench bench;
  CallFold fold = socket(bench, "/chat");
  fold.response(answer(101, ""), at(3, 4));
  for (TimeNs t = 10; t < 10 + static_cast<TimeNs>(others); ++t)
    fold.message(Side::kRequest, R"({"hello":1})", true, at(t, t));
  fold.message(Side::kRequest, kCreate, true, at(100, 101));
  fold.message(Side::kResponse, kCompleted, true, at(102, 103));
  fold.end(End::kComplete, at(400, 400));
  CHECK(bench.sink.records.size() == (others < 8 ? 1 : 0));
  CHECK(fold.verdict() == (others < 8 ? ConnVerdict::kLlm : ConnVerdict::kWatch));
}
