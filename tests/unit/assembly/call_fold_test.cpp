// SPDX-License-Identifier: Apache-2.0
#include "parsers/assembly/call_fold.h"

#include <zlib.h>

#include <catch2/catch.hpp>
#include <string>

#include "tests/unit/assembly/fold_support.h"

using namespace llmtap;
using namespace llmtap::testing;

namespace {

constexpr std::string_view kRequest =
    R"({"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}],"temperature":0.5})";
constexpr std::string_view kAnswer =
    R"({"id":"chatcmpl-1","object":"chat.completion","model":"gpt-4o-2024","choices":[{"index":0,)"
    R"("message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],)"
    R"("usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}})";
constexpr std::string_view kStream =
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o-2024\",\"choices\":"
    "[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n"
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":"
    "{\"content\":\"Hel\"},\"finish_reason\":null}]}\n\n"
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":"
    "{\"content\":\"lo\"},\"finish_reason\":null}]}\n\n"
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{},"
    "\"finish_reason\":\"stop\"}]}\n\n"
    "data: [DONE]\n\n";

Headers client_headers() {
  return {{"host", "api.openai.com"},
          {"authorization", "Bearer sk-secret"},
          {"user-agent", "OpenAI/Python 1.99.1"},
          {"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
          {"x-datadog-trace-id", "123"},
          {"cookie", "a=b"}};
}

Interaction chat(ResponseHead response, std::string_view body) {
  Interaction interaction;
  interaction.request = post("API.openai.com:443", "/v1/chat/completions?key=s&a=1", client_headers());
  interaction.request_body = kRequest;
  interaction.response = std::move(response);
  interaction.response_body = body;
  return interaction;
}

std::string text_of(const CallRecord& call) {
  std::string text;
  for (const auto& message : call.output) {
    for (const auto& part : message.parts) text += part.text;
  }
  return text;
}

std::string gzip(std::string_view text) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

// The request of an openai chat call, whole, at stamps 100-110.
CallFold asked(FoldBench& bench, Direction direction = Direction::kWrite) {
  CallFold fold = bench.fold();
  fold.request(post("api.openai.com", "/v1/chat/completions", client_headers()), direction, at(100, 105));
  fold.body(Side::kRequest, kRequest, at(100, 105));
  fold.finish(Side::kRequest, at(106, 110));
  return fold;
}

}  // namespace

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
                        {"whole, gzip", "application/json", "gzip", gzip(kAnswer), false},
                        {"stream", "text/event-stream", "", std::string(kStream), true},
                        {"stream, gzip", "text/event-stream", "gzip", gzip(kStream), true}};
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      std::optional<CallRecord> first;
      for (std::size_t piece = 0; piece <= c.body.size(); ++piece) {
        CAPTURE(piece);
        FoldBench bench;
        Headers headers;
        if (*c.coding != '\0') headers.push_back({"content-encoding", c.coding});
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
