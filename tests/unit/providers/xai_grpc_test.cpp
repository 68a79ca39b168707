// SPDX-License-Identifier: Apache-2.0
//
// xAI over gRPC: what its fixtures do not hold. Transport, compression, bounds, token classes.
#include <catch2/catch.hpp>
#include <string>
#include <string_view>

#include "parsers/assembly/assembler.h"
#include "parsers/providers/registry.h"
#include "tests/support/grpc.h"
#include "tests/support/record_log.h"
#include "tests/support/reframe.h"

namespace llmtap {
namespace {

using namespace testing;

using Writer = ProtobufWriter;

constexpr std::string_view kWhole = "/xai_api.Chat/GetCompletion";
constexpr std::string_view kStream = "/xai_api.Chat/GetCompletionChunk";

Writer message(std::string_view text, std::uint64_t role) {
  return Writer().put(1, Writer().put(1, text)).integer(2, role);
}

Writer request(std::string_view text) {
  return Writer().put(1, message(text, 1)).put(2, "grok-4").real(14, 0.7F).integer(7, 64);
}

Writer chunk(std::uint64_t index, std::string_view text, std::uint64_t reason = 0) {
  return Writer()
      .put(1, "c1")
      .put(2, Writer().put(1, Writer().put(1, text).integer(2, 2)).integer(3, reason).integer(4, index))
      .put(4, "grok-4-0709");
}

Plain call_of(std::string_view path, std::string request_body, std::string response_body) {
  Plain plain;
  plain.request.method = "POST";
  plain.request.authority = "api.x.ai";
  plain.request.path = path;
  plain.request.headers = {{"content-type", "application/grpc"}, {"grpc-encoding", "gzip"}};
  plain.request_body = std::move(request_body);
  plain.response.status = 200;
  plain.response.headers = {{"content-type", "application/grpc"}, {"grpc-encoding", "gzip"}};
  plain.response_body = std::move(response_body);
  plain.trailers = {{"grpc-status", "0"}};
  return plain;
}

RecordLog run(const Plain& plain, std::size_t size = 0) {
  RecordLog log;
  Assembler assembler({}, log);
  for (const auto& owned : to_chunks(http2_turns({plain}, 16384), size)) assembler.feed(owned.view());
  return log;
}

// What one message of the request and one of the answer give.
CallRecord folded(std::string_view path, std::string_view request, std::string_view answer) {
  RequestHead head;
  head.method = "POST";
  head.path = path;
  const Provider* provider = find_provider(head, Json{}, nullptr);
  REQUIRE(provider != nullptr);
  CallRecord call;
  RequestBody body;
  body.bytes = request;
  const auto parser = provider->make();
  parser->request(head, body, call);
  BodyEvent event;
  event.ts_ns = 1;
  event.data = answer;
  parser->event(event, Json{}, call);
  parser->finish(call);
  return call;
}

TEST_CASE("xai over gRPC: streams, compressed or not, at every split", "[unit]") {
  for (const bool packed : {false, true}) {
    // The second choice begins first.
    const auto plain = call_of(kStream, framed(request("hi"), packed),
                               framed(chunk(1, "two"), packed) + framed(chunk(0, "o")) +
                                   framed(chunk(0, "ne", 3), packed));
    for (const std::size_t size : {0, 1, 50}) {
      CAPTURE(packed, size);
      const auto log = run(plain, size);
      REQUIRE(log.records.size() == 1);
      const CallRecord& call = log.records[0];
      CHECK(call.dialect == "xai_grpc");
      CHECK(call.provider == "xai");
      CHECK(call.model_requested == "grok-4");
      CHECK(call.model_served == "grok-4-0709");
      CHECK(call.streamed);
      CHECK(call.end == End::kComplete);
      CHECK_FALSE(call.partial);
      CHECK_FALSE(call.error);
      CHECK(call.timing.first_token.has_value());
      REQUIRE(call.output.size() == 2);
      CHECK(call.output[0].parts.at(0).text == "one");
      CHECK(call.output[1].parts.at(0).text == "two");
      CHECK(call.finish_reason == "REASON_STOP");
      CHECK(call.params == std::vector<Param>{{"max_tokens", "64"}, {"temperature", "0.7"}});
    }
  }
}

TEST_CASE("xai over gRPC: an image larger than an event of a stream", "[unit]") {
  const std::string url = "data:image/png;base64," + std::string(6 << 20, 'A');
  const Writer image = Writer().put(1, Writer().put(2, Writer().put(1, url))).integer(2, 1);
  const auto log =
      run(call_of(kWhole, framed(Writer().put(1, image).put(2, "grok-4")), framed(Writer())));
  REQUIRE(log.records.size() == 1);
  CHECK_FALSE(log.records[0].partial);
  REQUIRE(log.records[0].input.size() == 1);
  CHECK(log.records[0].input[0].parts.at(0).bytes == std::uint64_t{6 << 20} * 3 / 4);
}

TEST_CASE("xai over gRPC: classes of tokens add up", "[unit]") {
  struct Case {
    const char* name;
    std::uint64_t prompt, cached, completion, reasoning, total;
    std::uint64_t uncached, visible;
  };
  const Case cases[] = {
      {"reasoning beside", 40, 16, 9, 30, 79, 24, 9},
      {"reasoning inside, the total says", 40, 16, 39, 30, 79, 24, 9},
      {"no total", 40, 0, 9, 30, 0, 40, 9},
      {"no reasoning", 40, 40, 9, 0, 49, 0, 9},
      {"more reasoning than completion", 40, 0, 9, 30, 49, 40, 9},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      Writer usage;
      usage.integer(1, c.completion).integer(2, c.prompt);
      if (c.total != 0) usage.integer(3, c.total);
      if (c.reasoning != 0) usage.integer(6, c.reasoning);
      if (c.cached != 0) usage.integer(7, c.cached);
      const auto call = folded(kWhole, request("hi").out, Writer().put(9, usage).out);
      CHECK(call.usage.input_uncached == c.uncached);
      CHECK(call.usage.output_visible == c.visible);
      CHECK(call.usage.input() == c.prompt);
      CHECK(call.usage.output() == c.visible + c.reasoning);
    }
  }
}

TEST_CASE("xai over gRPC: absent is absent, negative counts are none", "[unit]") {
  CHECK(folded(kWhole, request("hi").out, "").usage.empty());
  const Writer usage = Writer().integer(1, ~0ULL).integer(2, 5).integer(7, ~0ULL).integer(11, ~0ULL);
  const auto call = folded(kWhole, request("hi").out, Writer().put(9, usage).out);
  CHECK(call.usage.input_uncached == 5u);
  CHECK_FALSE(call.usage.output());
  CHECK_FALSE(call.usage.cache_read);
  CHECK_FALSE(call.cost);
}

TEST_CASE("xai over gRPC: repeated enums come packed or one by one", "[unit]") {
  const std::string packed("\x07\x63", 2);
  for (const Writer& include : {Writer().put(26, packed), Writer().integer(26, 7).integer(26, 99)}) {
    const auto call = folded(kWhole, include.out, "");
    CHECK(call.params == std::vector<Param>{{"include", R"(["inline_citations",99])"}});
  }
  // A field that may not repeat is no list.
  CHECK(folded(kWhole, Writer().put(7, packed).out, "").params.empty());
}

TEST_CASE("xai over gRPC: a number where a text belongs is no text", "[unit]") {
  // Found by fuzzing: the parameters of a function.
  const Writer tool = Writer().put(1, Writer().put(1, "f").integer(4, 7));
  const auto call = folded(kWhole, Writer().put(17, tool).integer(2, 7).out, "");
  REQUIRE(call.tools.size() == 1);
  CHECK(call.tools[0].name == "f");
  CHECK(call.tools[0].schema.empty());
  CHECK_FALSE(call.model_requested);
}

TEST_CASE("xai over gRPC: what a message may hold is bounded", "[unit]") {
  std::string empties;
  for (int i = 0; i < 200'000; ++i) empties += std::string("\x0a\x00", 2);  // field 1
  SECTION("messages") {
    const auto call = folded(kWhole, empties, "");
    CHECK(call.partial);
    CHECK(call.input.size() == 65536);
  }
  SECTION("parts, of several messages together") {
    const Writer one = Writer().put(1, empties);
    const auto call = folded(kWhole, one.out + one.out, "");
    CHECK(call.partial);
    REQUIRE(call.input.size() == 1);
    CHECK(call.input[0].parts.size() == 65535);
  }
  SECTION("tool calls of deltas") {
    std::string calls;
    for (int i = 0; i < 200'000; ++i) calls += std::string("\x1a\x00", 2);  // field 3
    const auto call = folded(kStream, "", Writer().put(2, Writer().put(1, calls)).out);
    CHECK(call.partial);
    CHECK(call.output.at(0).parts.size() == 65535);
  }
  SECTION("choices") {
    std::string outputs;
    for (std::uint64_t i = 1; i <= 100'000; ++i) outputs += Writer().put(2, Writer().integer(4, i)).out;
    const auto call = folded(kStream, "", outputs);
    CHECK(call.partial);
    CHECK(call.output.size() == 65536);
  }
  SECTION("documents") {
    const auto call = folded("/xai_api.Embedder/Embed", empties, "");
    CHECK(call.partial);
    CHECK(call.documents.size() == 65536);
  }
}

TEST_CASE("xai over gRPC: a message that is cut marks the call", "[unit]") {
  const std::string whole = request("hello").out;
  const std::string answer = chunk(0, "hello").out;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto call = folded(kStream, whole.substr(0, size), answer);
    CHECK(call.output.at(0).parts.at(0).text == "hello");
  }
  CHECK(folded(kStream, whole.substr(0, 4), answer).partial);
  CHECK(folded(kStream, whole, answer.substr(0, 9)).partial);
  CHECK_FALSE(folded(kStream, whole, answer).partial);
}

TEST_CASE("xai over gRPC: what each method is", "[unit]") {
  struct Case {
    const char* path;
    Operation operation;
  };
  const Case cases[] = {
      {"/xai_api.Chat/GetCompletion", Operation::kChat},
      {"/xai_api.Chat/GetCompletionChunk", Operation::kChat},
      {"/xai_api.Chat/StartDeferredCompletion", Operation::kChat},
      {"/xai_api.Chat/CompactContext", Operation::kOther},
      {"/xai_api.Chat/GetDeferredCompletion", Operation::kManagement},
      {"/xai_api.Chat/GetStoredCompletion", Operation::kManagement},
      {"/xai_api.Sample/SampleText", Operation::kTextCompletion},
      {"/xai_api.Embedder/Embed", Operation::kEmbeddings},
      {"/xai_api.Image/GenerateImage", Operation::kImage},
      {"/xai_api.Tokenize/TokenizeText", Operation::kCountTokens},
      {"/xai_api.Models/ListLanguageModels", Operation::kManagement},
      {"/xai_api.Video/GenerateVideo", Operation::kManagement},
      {"/xai_api.Nothing/Known", Operation::kManagement},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.path) { CHECK(folded(c.path, "", "").operation == c.operation); }
  }
}

TEST_CASE("gRPC: the message of a status is percent-encoded", "[unit]") {
  Plain plain = call_of(kWhole, framed(request("hi")), "");
  plain.trailers = {{"grpc-status", "5"}, {"grpc-message", "no 50%25 like %E2%9C%97"}};
  const auto log = run(plain);
  REQUIRE(log.records.size() == 1);
  REQUIRE(log.records[0].error);
  CHECK(log.records[0].error->type == "NOT_FOUND");
  CHECK(log.records[0].error->message == "no 50% like \xE2\x9C\x97");
}

// The second call of a connection that is joined behind the first: fields of its head are in HPACK's
// table, and `path` empty stands for one that is there as well.
RecordLog joined_late(Plain plain) {
  Http2Wire wire;
  wire.turns({plain}, 16384);
  RecordLog log;
  Assembler assembler({}, log);
  for (const auto& owned : to_chunks(wire.turns({plain}, 16384), 0)) assembler.feed(owned.view());
  return log;
}

TEST_CASE("xai over gRPC: a connection joined late", "[unit]") {
  for (const bool packed : {false, true}) {
    for (const bool stream : {false, true}) {
      for (const bool known : {false, true}) {
        CAPTURE(packed, stream, known);
        const Writer usage = Writer().integer(1, 9).integer(2, 40);
        const Writer whole =
            Writer()
                .put(1, "c1")
                .put(2, Writer().integer(1, 3).put(3, Writer().put(1, "hello").integer(2, 2)))
                .put(6, "grok-4-0709")
                .put(9, usage);
        const std::string answer =
            stream ? framed(chunk(0, "hel"), packed) + framed(chunk(0, "lo", 3).put(6, usage))
                   : framed(whole, packed);
        const auto path = !known ? std::string_view{} : stream ? kStream : kWhole;
        const auto log = joined_late(call_of(path, framed(request("hi"), packed), answer));
        REQUIRE(log.records.size() == 1);
        const CallRecord& call = log.records[0];
        CHECK(call.dialect == "xai_grpc");
        CHECK(call.partial);  // of its head
        CHECK(call.bytes_lost == 0);
        CHECK(call.host.empty());
        CHECK(call.streamed == stream);
        CHECK(call.model_requested == "grok-4");
        CHECK(call.model_served == "grok-4-0709");
        CHECK(call.input.at(0).parts.at(0).text == "hi");
        CHECK(call.output.at(0).parts.at(0).text == "hello");
        CHECK(call.finish_reason == "REASON_STOP");
        CHECK(call.usage.input() == 40u);
        CHECK(call.usage.output() == 9u);
      }
    }
  }
}

TEST_CASE("gRPC: joined late, what looks like no request of ours is none", "[unit]") {
  const Writer good = message("hi", 1);
  const std::string cases[] = {
      "",
      Writer().put(1, good).put(2, "gpt-4").out,                       // another vendor's model
      Writer().put(1, good).out,                                       // no model
      Writer().put(2, "grok-4").out,                                   // no message
      Writer().put(1, "hi").put(2, "grok-4").out,                      // a text in its place
      Writer().put(1, message("hi", 9)).put(2, "grok-4").out,          // no such role
      Writer().put(1, Writer().put(1, "x").integer(2, 1)).put(2, "grok-4").out,
      Writer().put(1, good).put(2, "grok-4").put(99, "x").out,         // no such field
      Writer().put(1, good).put(2, "grok-4").out + "\x12",             // cut
      Writer().put(1, "models/gemini").put(2, Writer().put(3, "x")).out,
      std::string(300, '\0'),
      R"({"model":"grok-4"})",
  };
  for (const auto& bytes : cases) {
    CAPTURE(bytes);
    Writer body;
    body.out = bytes;
    const auto log = joined_late(call_of("", framed(body), framed(chunk(0, "hello"))));
    CHECK(log.records.empty());
    CHECK(log.managed.empty());
    CHECK(log.others.size() == 1);
  }
}

TEST_CASE("gRPC: other services are no calls, whatever their bodies", "[unit]") {
  for (const auto* path : {"/xai_apis.Chat/GetCompletion", "/other.Chat/GetCompletion",
                           "/inference.GRPCInferenceService/ModelInfer", "/xai_api."}) {
    CAPTURE(path);
    const auto log = run(call_of(path, framed(request("hi")), framed(chunk(0, "hello"))));
    CHECK(log.records.empty());
    CHECK(log.managed.empty());
    CHECK(log.others.size() == 1);
  }
}

}  // namespace
}  // namespace llmtap
