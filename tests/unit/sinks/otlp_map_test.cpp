// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "tests/unit/sinks/otlp_support.h"
#include "userspace/sinks/otlp/messages.h"
#include "userspace/sinks/otlp/metrics.h"
#include "userspace/sinks/otlp/resource.h"
#include "userspace/sinks/otlp/span_map.h"
#include "userspace/sinks/otlp/trace_ids.h"

namespace llmtap::otlp {
namespace {

using test::sample_chat;

TEST_CASE("otlp: the span of a streamed chat", "[unit]") {
  const Span span = make_span(sample_chat(), {});
  CHECK(span.name == "chat gpt-4o");
  CHECK(span.kind == SpanKind::kClient);
  CHECK(span.status.code == StatusCode::kUnset);
  CHECK(span.events.empty());
  CHECK(span.end - span.start == 1'500'000'000);
  const Value expected = Value::parse(R"({
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "server.address": "api.openai.com",
    "server.port": 443,
    "gen_ai.request.temperature": 0.5,
    "gen_ai.request.max_tokens": 64,
    "gen_ai.request.stop_sequences": ["a", "b"],
    "gen_ai.request.stream": true,
    "openai.api.type": "chat_completions",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.response.time_to_first_chunk": 0.25,
    "gen_ai.response.finish_reasons": ["tool_calls"],
    "gen_ai.usage.input_tokens": 8,
    "gen_ai.usage.output_tokens": 7,
    "gen_ai.usage.cache_read.input_tokens": 2,
    "gen_ai.usage.reasoning.output_tokens": 4,
    "http.response.status_code": 200
  })");
  CHECK(span.attributes.dump(2) == expected.dump(2));
}

TEST_CASE("otlp: absent is absent", "[unit]") {
  CallRecord call;
  call.dialect = "openai_chat";
  call.timing.request_start = call.timing.end = 1;
  const Span span = make_span(call, {});
  CHECK(span.attributes.dump() ==
        R"({"gen_ai.operation.name":"chat","gen_ai.provider.name":"openai",)"
        R"("openai.api.type":"chat_completions"})");
  CHECK(span.name == "chat");
}

TEST_CASE("otlp: names by conventions", "[unit]") {
  auto call = sample_chat();
  call.usage.cache_write = 5;
  call.params.push_back({"reasoning_effort", "\"high\""});
  call.params.push_back({"top_k", "3"});
  const auto stable = make_span(call, {}).attributes;
  const auto latest = make_span(call, {.conventions = Conventions::kLatest}).attributes;
  CHECK(stable["gen_ai.usage.cache_creation.input_tokens"] == 5);
  CHECK(latest["gen_ai.usage.cache_write.input_tokens"] == 5);
  CHECK(!latest.contains("gen_ai.usage.cache_creation.input_tokens"));
  CHECK(stable["gen_ai.request.top_k"].is_number_float());
  CHECK(latest["gen_ai.request.top_k"].is_number_integer());
  CHECK(!stable.contains("gen_ai.request.reasoning.level"));
  CHECK(latest["gen_ai.request.reasoning.level"] == "high");
  // Cached input is part of the input under both.
  CHECK(stable["gen_ai.usage.input_tokens"] == 13);
}

TEST_CASE("otlp: operations and providers", "[unit]") {
  struct Case {
    const char *provider, *dialect;
    Operation operation;
    const char *name, *vendor;
  };
  const Case cases[] = {
      {"azure_openai", "openai_chat", Operation::kChat, "chat", "azure.ai.openai"},
      {"bedrock", "bedrock_converse", Operation::kChat, "chat", "aws.bedrock"},
      {"gemini", "gemini", Operation::kChat, "generate_content", "gcp.gemini"},
      {"vertex_ai", "gemini", Operation::kChat, "generate_content", "gcp.vertex_ai"},
      {"mistral", "openai_chat", Operation::kEmbeddings, "embeddings", "mistral_ai"},
      {"xai", "openai_chat", Operation::kTextCompletion, "text_completion", "x_ai"},
      {"openrouter", "openai_chat", Operation::kChat, "chat", "openrouter"},
      {"", "anthropic_messages", Operation::kChat, "chat", "anthropic"},
      {"cohere", "cohere_chat", Operation::kRerank, "rerank", "cohere"},
      {"bedrock", "bedrock_agent", Operation::kAgent, "invoke_agent", "aws.bedrock"},
      {"openai", "openai_media", Operation::kImage, "generate_content", "openai"},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.provider << ' ' << c.dialect << ' ' << c.name) {
      CallRecord call;
      call.provider = c.provider;
      call.dialect = c.dialect;
      call.operation = c.operation;
      CHECK(operation_name(call) == c.name);
      CHECK(provider_name(call) == c.vendor);
    }
  }
}

TEST_CASE("otlp: a hop through a gateway has no tokens of its own", "[unit]") {
  auto call = sample_chat();
  call.vendor.push_back({"proxy_hop", "\"other\""});
  const Span span = make_span(call, {});
  CHECK(span.name == "invoke_workflow gpt-4o");
  CHECK(!span.attributes.contains("gen_ai.usage.input_tokens"));
  CHECK(!span.attributes.contains("gen_ai.usage.reasoning.output_tokens"));
  MetricTable table({}, {}, 1);
  table.add(call);
  const auto group = table.collect(2).at(0);
  for (const auto& metric : group.metrics) CHECK(metric.name != "gen_ai.client.token.usage");
}

TEST_CASE("otlp: errors", "[unit]") {
  struct Case {
    const char* name;
    std::optional<int> status;
    Boxed<CallError> error;
    End end;
    const char *type, *message;
  };
  const Case cases[] = {
      {"none", 200, {}, End::kComplete, "", ""},
      {"the client left", 200, {}, End::kCancelled, "", ""},
      {"code", 429, CallError{"requests", "rate_limit_exceeded", "slow", "", false}, End::kComplete,
       "rate_limit_exceeded", "slow"},
      {"type", 529, CallError{"overloaded_error", "", "busy", "", false}, End::kComplete,
       "overloaded_error", "busy"},
      {"status", 500, {}, End::kComplete, "500", "HTTP status 500"},
      {"a code that is a text", 400, CallError{"bad request: x y", "1 2", "m", "", false},
       End::kComplete, "400", "m"},
      {"in the stream", 200, CallError{"api_error", "", "m", "", true}, End::kComplete, "api_error",
       "m"},
      {"cut", 200, {}, End::kTruncated, "truncated", "the connection ended inside the answer"},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      auto call = sample_chat();
      call.http_status = c.status;
      call.error = c.error;
      call.end = c.end;
      const Span span = make_span(call, {});
      const bool failed = c.type[0] != '\0';
      CHECK(span.attributes.value("error.type", "") == c.type);
      CHECK((span.status.code == StatusCode::kError) == failed);
      CHECK(span.status.message == c.message);
      REQUIRE(span.events.size() == (failed ? 1 : 0));
      CHECK(make_events(call, {}).size() == (failed ? 2 : 1));
      if (failed) {
        CHECK(span.events[0].name == "exception");
        CHECK(span.events[0].attributes["exception.message"] == c.message);
        CHECK(make_events(call, {})[1].severity == 13);
      }
    }
  }
}

TEST_CASE("otlp: how a span joins a trace", "[unit]") {
  const std::string trace = "0af7651916cd43dd8448eb211c80319c", parent = "b7ad6b7169203331";
  struct Case {
    const char* name;
    TraceContext context;
    std::string trace, parent;
    std::uint32_t flags;
  };
  const Case cases[] = {
      {"W3C", {"00-" + trace + "-" + parent + "-01", "v=1", "", "", "", ""}, trace, parent, 0x301},
      {"W3C, not sampled",
       {"00-" + trace + "-" + parent + "-00", "", "", "", "", ""},
       trace,
       parent,
       0x300},
      {"a later version",
       {"cc-" + trace + "-" + parent + "-01-x", "", "", "", "", ""},
       trace,
       parent,
       0x301},
      {"Datadog",
       {"", "", "255", "16", "1", "_dd.p.tid=640cfd8d00000000"},
       "640cfd8d0000000000000000000000ff",
       "0000000000000010",
       0x300},
      {"Datadog, 64 bits",
       {"", "", "255", "16", "", ""},
       "000000000000000000000000000000ff",
       "0000000000000010",
       0x300},
      {"zero trace id",
       {"00-" + std::string(32, '0') + "-" + parent + "-01", "", "", "", "", ""},
       "",
       "",
       0},
      {"upper case",
       {"00-0AF7651916CD43DD8448EB211C80319C-" + parent + "-01", "", "", "", "", ""},
       "",
       "",
       0},
      {"version ff", {"ff-" + trace + "-" + parent + "-01", "", "", "", "", ""}, "", "", 0},
      {"version 00 and more",
       {"00-" + trace + "-" + parent + "-01-x", "", "", "", "", ""},
       "",
       "",
       0},
      {"nonsense", {"hello", "", "x", "1", "", ""}, "", "", 0},
      {"none", {}, "", "", 0},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      auto call = sample_chat();
      call.trace = c.context;
      const auto ids = trace_ids(call);
      CHECK(ids.trace_id.size() == 32);
      CHECK(ids.span_id.size() == 16);
      if (!c.trace.empty()) CHECK(ids.trace_id == c.trace);
      CHECK(ids.parent_span_id == c.parent);
      CHECK(ids.flags == c.flags);
      CHECK(trace_ids(call).span_id == ids.span_id);  // a resend is the same span
      call.id = "call-2";
      CHECK(trace_ids(call).span_id != ids.span_id);
    }
  }
}

TEST_CASE("otlp: content is opt-in", "[unit]") {
  const auto call = sample_chat();
  CHECK(!make_span(call, {}).attributes.contains("gen_ai.input.messages"));
  const auto span = make_span(call, {.span_content = true}).attributes;
  CHECK(span["gen_ai.input.messages"] ==
        R"([{"role":"system","parts":[{"type":"text","content":"hi"}]},)"
        R"({"role":"user","parts":[{"type":"text","content":"hi"}]}])");
  CHECK(span["gen_ai.output.messages"] ==
        R"([{"role":"assistant","parts":[{"type":"text","content":"hi"},)"
        R"({"type":"tool_call","name":"weather","id":"t1","arguments":{"city":"Paris"}}],)"
        R"("finish_reason":"tool_call"}])");
  CHECK(span["gen_ai.tool.definitions"] ==
        R"([{"type":"function","name":"weather","description":"Tells it",)"
        R"("parameters":{"type":"object"}}])");
  const auto event = make_events(call, {.event_content = true})[0];
  CHECK(event.event_name == "gen_ai.client.inference.operation.details");
  CHECK(event.attributes["gen_ai.output.messages"][0]["finish_reason"] == "tool_call");
  CHECK(!make_events(call, {})[0].attributes.contains("gen_ai.input.messages"));
  const auto small = make_span(call, {.span_content = true, .most_bytes = 50}).attributes;
  CHECK(!small.contains("gen_ai.output.messages"));
  CHECK(small["llmtap.content_dropped"] == true);
}

TEST_CASE("otlp: instructions that are no part of the conversation", "[unit]") {
  auto call = sample_chat();
  call.dialect = "anthropic_messages";
  CHECK(system_instructions(call).dump() == R"([{"type":"text","content":"hi"}])");
  CHECK(input_messages(call).size() == 1);
}

TEST_CASE("otlp: parts", "[unit]") {
  struct Case {
    const char* name;
    Part part;
    const char* json;
  };
  const auto part = [](PartKind kind, auto fill) {
    Part out;
    out.kind = kind;
    fill(out);
    return out;
  };
  const Case cases[] = {
      {"reasoning", part(PartKind::kReasoning, [](Part& p) { p.text = "hm"; }),
       R"({"type":"reasoning","content":"hm"})"},
      {"arguments that are no JSON",
       part(PartKind::kToolCall, [](Part& p) { p.tool_name = "f", p.arguments = "{\"a\":"; }),
       R"({"type":"tool_call","name":"f","arguments":"{\"a\":"})"},
      {"tool result",
       part(PartKind::kToolResult, [](Part& p) { p.tool_id = "t", p.text = "20 C"; }),
       R"({"type":"tool_call_response","id":"t","response":"20 C"})"},
      {"inline image",
       part(PartKind::kImage, [](Part& p) { p.media_type = "image/png", p.bytes = 9; }),
       R"({"type":"blob","modality":"image","mime_type":"image/png","content":"","size":9})"},
      {"image by address", part(PartKind::kImage, [](Part& p) { p.reference = "https://x/y.png"; }),
       R"({"type":"uri","modality":"image","uri":"https://x/y.png"})"},
      {"file by id", part(PartKind::kFile, [](Part& p) { p.reference = "file-1"; }),
       R"({"type":"file","modality":"document","file_id":"file-1"})"},
      {"something else",
       part(PartKind::kOther, [](Part& p) { p.wire_type = "mcp", p.raw = R"({"a":1})"; }),
       R"({"a":1,"type":"mcp"})"},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      CallRecord call;
      call.input = {{"user", {c.part}, {}, ""}};
      CHECK(input_messages(call)[0]["parts"][0].dump() == c.json);
    }
  }
}

// The arguments of a tool are what a model says: a text of its own, that no parser has bounded.
TEST_CASE("otlp: JSON in texts is bounded in depth", "[unit]") {
  constexpr std::size_t kDeep = 500'000;
  const std::string deep = std::string(kDeep, '[') + std::string(kDeep, ']');
  CallRecord call = sample_chat();
  call.output[0].parts[1].arguments = deep;
  CHECK(output_messages(call)[0]["parts"][1]["arguments"] == deep);
  call.tools[0].schema = deep;
  CHECK(tool_definitions(call)[0]["parameters"] == deep);
  call.output[0].parts[1].arguments = R"({"quoted":"[[[[\"[["})";
  CHECK(output_messages(call)[0]["parts"][1]["arguments"]["quoted"] == "[[[[\"[[");
}

TEST_CASE("otlp: whose resource it is", "[unit]") {
  auto call = sample_chat();
  const Host host{"node-1", "abc", {{"deployment.environment.name", "prod"}, {"team", "ml"}}};
  SECTION("seen from outside") {
    const auto out = process_resource(call, host);
    CHECK(out["service.name"] == "shop");
    CHECK(out["host.name"] == "node-1");
    CHECK(out["container.id"] == "c0ffee");
    CHECK(out["process.pid"] == 42);
    CHECK(out["process.executable.name"] == "python3");
    CHECK(out["telemetry.sdk.language"] == "python");
    CHECK(out["team"] == "ml");
  }
  SECTION("the process's own word first") {
    call.process.environment = {
        {"DD_SERVICE", "dd"},
        {"DD_ENV", "staging"},
        {"OTEL_RESOURCE_ATTRIBUTES", "service.name=ra,k8s.pod.name=web%2D1,service.version=7"},
        {"OTEL_SERVICE_NAME", "otel"}};
    const auto out = process_resource(call, host);
    CHECK(out["service.name"] == "otel");
    CHECK(out["service.version"] == "7");
    CHECK(out["deployment.environment.name"] == "staging");
    CHECK(out["k8s.pod.name"] == "web-1");
    CHECK(!service_resource(call, host).contains("k8s.pod.name"));
    CHECK(!service_resource(call, host).contains("process.pid"));
  }
}

TEST_CASE("otlp: pairs", "[unit]") {
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  struct Case {
    const char* text;
    Pairs pairs;
  };
  const Case cases[] = {
      {"", {}},
      {"a=b", {{"a", "b"}}},
      {" a = b , c=d=e,junk,=x,f=", {{"a", "b"}, {"c", "d=e"}, {"f", ""}}},
      {"Authorization=Basic%20YQ%3D%3D", {{"Authorization", "Basic YQ=="}}},
      {"a=%zz%4", {{"a", "%zz%4"}}},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.text) { CHECK(parse_pairs(c.text) == c.pairs); }
  }
}

}  // namespace
}  // namespace llmtap::otlp
