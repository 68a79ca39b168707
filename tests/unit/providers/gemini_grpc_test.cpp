// SPDX-License-Identifier: Apache-2.0
//
// Gemini over gRPC through the whole of parsers/: HTTP/2 with trailers, message framing, protobuf.
#include <catch2/catch.hpp>
#include <string>
#include <string_view>

#include "parsers/assembly/assembler.h"
#include "tests/support/grpc.h"
#include "tests/support/record_log.h"
#include "tests/support/reframe.h"

namespace llmtap {
namespace {

using namespace testing;

using Writer = ProtobufWriter;

// Field numbers of one API.
struct Api {
  const char* path;
  std::uint32_t model, tools, config, temperature, max_tokens;          // request
  std::uint32_t parts, role, text, call;                                // content
  std::uint32_t candidates, usage, version, content, reason, cached;    // response
};
constexpr Api kGenerative = {"/google.ai.generativelanguage.v1beta.GenerativeService/",
                             1, 5, 4, 5, 4, 1, 2, 2, 4, 1, 3, 4, 1, 2, 4};
constexpr Api kVertex = {"/google.cloud.aiplatform.v1.PredictionService/",
                         5, 6, 4, 1, 5, 2, 1, 1, 5, 2, 4, 11, 2, 3, 5};

Writer content(const Api& api, std::string_view role, std::string_view text) {
  return Writer().put(api.parts, Writer().put(api.text, text)).put(api.role, role);
}

Plain call_of(const Api& api, bool stream, bool packed) {
  Plain plain;
  plain.request.method = "POST";
  plain.request.authority = "generativelanguage.googleapis.com";
  plain.request.path = std::string(api.path) + (stream ? "StreamGenerateContent" : "GenerateContent");
  plain.request.headers = {{"content-type", "application/grpc"}, {"grpc-encoding", "gzip"}};
  plain.request_body = framed(
      Writer()
          .put(api.model, "models/gemini-1.5-pro")
          .put(2, content(api, "user", "weather in Paris?"))
          .put(api.config, Writer().real(api.temperature, 0.5f).integer(api.max_tokens, 64))
          .put(api.tools,
               Writer().put(1, Writer().put(1, "weather").put(2, "tells the weather")))
          .put(8, content(api, "system", "be brief")),
      packed);
  plain.response.status = 200;
  plain.response.headers = {{"content-type", "application/grpc"}, {"grpc-encoding", "gzip"}};
  const Writer place = Writer().put(1, Writer().put(1, "place").put(2, Writer().put(3, "Paris")));
  Writer arguments = place;
  arguments.put(1, Writer().put(1, "days").put(2, Writer().number(2, 2.0)));
  const Writer asks = Writer().put(
      api.parts, Writer().put(api.call, Writer().put(1, "weather").put(2, arguments)));
  const Writer usage =
      Writer().integer(1, 12).integer(2, 7).integer(3, 19).integer(api.cached, 5);
  if (stream) {
    plain.response_body = framed(
        Writer().put(api.candidates, Writer().put(api.content, content(api, "model", "Let me "))),
        packed);
    plain.response_body += framed(
        Writer().put(api.candidates, Writer().put(api.content, content(api, "model", "look."))));
  }
  plain.response_body += framed(
      Writer()
          .put(api.candidates, Writer().put(api.content, asks).integer(api.reason, 1))
          .put(api.usage, usage)
          .put(api.version, "gemini-1.5-pro-002"),
      packed);
  plain.trailers = {{"grpc-status", "0"}};
  return plain;
}

RecordLog run(const Plain& plain, std::size_t size) {
  RecordLog log;
  Assembler assembler({}, log);
  for (const auto& owned : to_chunks(http2_turns({plain}, 1000), size)) assembler.feed(owned.view());
  return log;
}

TEST_CASE("gemini over gRPC: both services, whole, streamed and compressed", "[unit]") {
  for (const Api* api : {&kGenerative, &kVertex}) {
    for (const bool stream : {false, true}) {
      for (const bool packed : {false, true}) {
        for (const std::size_t size : {0, 1, 50}) {
          CAPTURE(api->path, stream, packed, size);
          const auto log = run(call_of(*api, stream, packed), size);
          REQUIRE(log.records.size() == 1);
          const CallRecord& call = log.records[0];
          CHECK(call.dialect == "gemini");
          CHECK(call.operation == Operation::kChat);
          CHECK(call.end == End::kComplete);
          CHECK_FALSE(call.partial);
          CHECK(call.streamed == stream);
          CHECK(call.model_requested == "gemini-1.5-pro");
          CHECK(call.model_served == "gemini-1.5-pro-002");
          REQUIRE(call.input.size() == 2);
          CHECK(call.input[0].role == "system");
          CHECK(call.input[1].parts.at(0).text == "weather in Paris?");
          REQUIRE(call.tools.size() == 1);
          CHECK(call.tools[0].name == "weather");
          REQUIRE(call.output.size() == 1);
          const auto& parts = call.output[0].parts;
          REQUIRE(parts.size() == (stream ? 2 : 1));
          if (stream) CHECK(parts[0].text == "Let me look.");
          CHECK(parts.back().arguments == R"({"place":"Paris","days":2})");
          CHECK(call.usage.input() == 12u);
          CHECK(call.usage.cache_read == 5u);
          CHECK(call.usage.output() == 7u);
          CHECK(call.finish_reason == "STOP");
          CHECK(find_header(call.response_headers, "grpc-status") == "0");
          CHECK_FALSE(call.error);
        }
      }
    }
  }
}

TEST_CASE("gRPC: how a call went is in its trailers, or in the head", "[unit]") {
  Plain plain = call_of(kGenerative, true, false);
  plain.response_body.clear();
  const Headers status = {{"grpc-status", "8"}, {"grpc-message", "quota"}};
  SECTION("trailers") { plain.trailers = status; }
  SECTION("trailers only") {
    plain.trailers = {};
    plain.response.headers.append(status);
  }
  const auto log = run(plain, 0);
  REQUIRE(log.records.size() == 1);
  REQUIRE(log.records[0].error);
  CHECK(log.records[0].error->type == "RESOURCE_EXHAUSTED");
  CHECK(log.records[0].error->code == "8");
  CHECK(log.records[0].error->message == "quota");
}

TEST_CASE("gemini over gRPC: joined late, with the path unknown", "[unit]") {
  for (const Api* api : {&kGenerative, &kVertex}) {
    for (const bool stream : {false, true}) {
      CAPTURE(api->path, stream);
      Plain plain = call_of(*api, stream, true);
      plain.request.path.clear();
      if (api == &kVertex) {  // as that API names them
        plain.request_body = framed(Writer()
                                        .put(2, content(*api, "user", "weather in Paris?"))
                                        .put(5, "projects/p/locations/l/publishers/google/models/"
                                                "gemini-1.5-pro"));
      }
      Http2Wire wire;
      wire.turns({plain}, 1000);
      RecordLog log;
      Assembler assembler({}, log);
      for (const auto& owned : to_chunks(wire.turns({plain}, 1000), 0)) assembler.feed(owned.view());
      REQUIRE(log.records.size() == 1);
      const CallRecord& call = log.records[0];
      CHECK(call.dialect == "gemini");
      CHECK(call.partial);
      CHECK(call.streamed == stream);
      CHECK(call.model_requested == "gemini-1.5-pro");
      CHECK(call.input.back().parts.at(0).text == "weather in Paris?");
      CHECK(call.output.at(0).parts.back().tool_name == "weather");
      CHECK(call.usage.input() == 12u);
    }
  }
}

TEST_CASE("gRPC: other services are no calls", "[unit]") {
  Plain plain = call_of(kGenerative, false, false);
  plain.request.path = "/grpc.health.v1.Health/Check";
  const auto log = run(plain, 0);
  CHECK(log.records.empty());
  CHECK(log.others.size() == 1);
}

}  // namespace
}  // namespace llmtap
