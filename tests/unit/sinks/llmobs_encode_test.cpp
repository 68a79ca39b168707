// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/llmobs/llmobs_encode.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "userspace/sinks/llmobs/error_map.h"
#include "userspace/sinks/llmobs/estimate.h"
#include "userspace/sinks/llmobs/react.h"
#include "userspace/sinks/llmobs/trace_join.h"

namespace llmtap::llmobs {
namespace {

Message said(std::string role, std::string text) {
  Message message;
  message.role = std::move(role);
  Part part;
  part.text = std::move(text);
  message.parts.push_back(std::move(part));
  return message;
}

CallRecord chat() {
  CallRecord call;
  call.id = "call-1";
  call.provider = "openai";
  call.dialect = "openai_chat";
  call.host = "api.openai.com";
  call.path = "/v1/chat/completions";
  call.http_status = 200;
  call.model_requested = "gpt-4o";
  call.model_served = "gpt-4o-2024-08-06";
  call.timing.request_start = 1'756'400'000'000'000'000;
  call.timing.end = 1'756'400'000'812'345'678;
  call.input = {said("user", "hi")};
  call.output = {said("assistant", "hello")};
  call.usage.input_uncached = 6;
  call.usage.cache_read = 2;
  call.usage.output_visible = 3;
  return call;
}

bool has_tag(const Value& event, const std::string& tag) {
  const auto& tags = event["tags"];
  return std::find(tags.begin(), tags.end(), tag) != tags.end();
}

Part piece(PartKind kind, std::string wire_type, std::string text) {
  Part part;
  part.kind = kind;
  part.wire_type = std::move(wire_type);
  part.text = std::move(text);
  return part;
}

TEST_CASE("llmobs: Mistral's lists become one message a piece", "[unit]") {
  CallRecord call = chat();
  call.provider = "mistral";
  call.host = "api.mistral.ai";
  Part tool = piece(PartKind::kToolCall, "function", "");
  tool.tool_name = "f";
  tool.tool_id = "t1";
  Message result = {"tool", {piece(PartKind::kToolResult, "tool", "1")}, {}, {}};
  call.input = {
      {"user",
       {piece(PartKind::kText, "text", "a"), piece(PartKind::kImage, "image_url", "")},
       {},
       {}},
      {"assistant",
       {piece(PartKind::kReasoning, "thinking", "t"), piece(PartKind::kText, "text", "b")},
       {},
       {}},
      {"assistant", {piece(PartKind::kText, "", ""), tool}, {}, {}},
      {"assistant", {tool}, {}, {}},
      result,
      {"user", {}, {}, {}}};
  call.output = {{"assistant",
                  {piece(PartKind::kReasoning, "thinking", "x"),
                   piece(PartKind::kText, "text", "y"), piece(PartKind::kText, "text", "z")},
                  {},
                  {}}};
  call.params = {{"top_p", "1"}, {"stop", "null"}, {"stream", "true"}};
  const Value event = encode_event(call, {});
  const Value calls = Value::array(
      {{{"name", "f"}, {"arguments", Value::object()}, {"tool_id", "t1"}, {"type", "function"}}});
  CHECK(event["name"] == "mistralai.request");
  CHECK(event["meta"]["model_provider"] == "mistral");
  CHECK(event["meta"]["metadata"] == Value({{"top_p", 1}}));
  CHECK(event["meta"]["input"]["messages"] ==
        Value::array({message("user", "a"),
                      message("user", ""),
                      message("reasoning", "t"),
                      message("assistant", "b"),
                      {{"role", "assistant"}, {"content", ""}, {"tool_calls", calls}},
                      {{"role", "assistant"}, {"content", ""}, {"tool_calls", calls}},
                      message("tool", "1"),
                      message("user", "")}));
  CHECK(event["meta"]["output"]["messages"] ==
        Value::array({message("reasoning", "x"), message("assistant", "yz")}));
  CHECK(event["metrics"]["cache_read_input_tokens"] == 2);
  call.usage.cache_read = 0;
  CHECK(!encode_event(call, {})["metrics"].contains("cache_read_input_tokens"));
  call.vendor.push_back({"num_cached_tokens", "0"});
  CHECK(encode_event(call, {})["metrics"]["cache_read_input_tokens"] == 0);
}

TEST_CASE("llmobs: the event of a plain call", "[unit]") {
  CallRecord call = chat();
  call.process.environment = {{"DD_SERVICE", "shop"}, {"DD_ENV", "prod"}, {"DD_TAGS", "team:a"}};
  call.process.language = "python";
  const Value event = encode_event(call, {});
  CHECK(event["name"] == "OpenAI.createChatCompletion");
  CHECK(event["status"] == "ok");
  CHECK(event["parent_id"] == "undefined");
  CHECK(event["start_ns"] == 1'756'400'000'000'000'000);
  CHECK(event["duration"] == 812'345'678);
  CHECK(event["meta"]["span"]["kind"] == "llm");
  CHECK(event["meta"]["model_name"] == "gpt-4o-2024-08-06");
  CHECK(event["meta"]["model_provider"] == "openai");
  CHECK(event["meta"]["metadata"] == Value::object());
  CHECK(event["meta"]["input"]["messages"] == Value::parse(R"([{"role":"user","content":"hi"}])"));
  CHECK(event["metrics"] == Value::parse(R"({"input_tokens":8,"output_tokens":3,"total_tokens":11,
                                             "cache_read_input_tokens":2})"));
  CHECK(event["trace_id"].get<std::string>().size() == 32);
  CHECK(event["trace_id"].get<std::string>().substr(0, 16) == "68b0898000000000");
  CHECK(event["_dd"]["sample_rate"] == "1");
  CHECK(event["_dd"]["sampling_decision"] == "1");
  CHECK_FALSE(event.contains("session_id"));
  for (const auto* tag : {"ml_app:shop", "agent_service:shop", "service:shop", "env:prod",
                          "version:", "team:a", "error:0", "integration:openai",
                          "source:integration", "language:python", "instrumentation:ebpf"}) {
    CAPTURE(tag);
    CHECK(has_tag(event, tag));
  }
  CHECK(std::is_sorted(event["tags"].begin(), event["tags"].end()));
  CHECK(encode_event(call, {}) == event);  // a resend has the same ids
}

TEST_CASE("llmobs: the envelope", "[unit]") {
  const Value envelope = Value::parse(envelope_json(encode_event(chat(), {}), {}));
  CHECK(envelope["_dd.stage"] == "raw");
  CHECK(envelope["_dd.tracer_version"] == EncodeOptions{}.version);
  CHECK(envelope["event_type"] == "span");
  CHECK(envelope["spans"].size() == 1);
}

TEST_CASE("llmobs: joining the app's trace", "[unit]") {
  CallRecord call = chat();
  call.trace.traceparent = "00-687555cd0000000058a0b13b60fee9d7-c1056909942ed2bb-01";
  SECTION("only an APM trace: a root of its own") {
    const auto ids = join_trace(call);
    CHECK(ids.apm_trace_id == "687555cd0000000058a0b13b60fee9d7");
    CHECK(ids.parent_id == "undefined");
    CHECK(ids.trace_id != ids.apm_trace_id);
  }
  SECTION("an LLMObs parent") {
    call.trace.datadog_tags =
        "_dd.p.dm=-0,_dd.p.llmobs_parent_id=11541966843787300659,"
        "_dd.p.llmobs_trace_id=138848950540669451443110373367120993769,"
        "_dd.p.llmobs_ml_app=shop,_dd.p.llmobs_sid=s1,_dd.p.llmobs_sr=0.5,_dd.p.llmobs_sd=0";
    const auto ids = join_trace(call);
    CHECK(ids.parent_id == "11541966843787300659");
    CHECK(ids.trace_id == "687555cd00000000ac19a8f896d51de9");
    const Value event = encode_event(call, {});
    CHECK(event["session_id"] == "s1");
    CHECK(event["_dd"]["sample_rate"] == "0.5");
    CHECK(event["_dd"]["sampling_decision"] == "0");
    CHECK(has_tag(event, "ml_app:shop"));
    CHECK_FALSE(reported_by_sdk(call));
    call.process.ddtrace_loaded = true;
    CHECK(reported_by_sdk(call));
    CHECK(has_tag(encode_event(call, {}), "reported_by:sdk"));
    SECTION("a rule of the configuration beats what was propagated") {
      call.session_id = "s2";
      CHECK(encode_event(call, {})["session_id"] == "s2");
    }
    SECTION("calls that the SDK has no span for") {
      struct Case {
        const char* dialect;
        const char* provider;
        Operation operation;
        bool reported;
      };
      const Case cases[] = {{"openai_responses", "openai", Operation::kChat, true},
                            {"openai_embeddings", "openai", Operation::kEmbeddings, true},
                            {"openai_media", "openai", Operation::kImage, false},
                            {"openai_media", "openai", Operation::kModeration, false},
                            {"bedrock_invoke", "bedrock", Operation::kEmbeddings, false},
                            {"bedrock_invoke", "bedrock", Operation::kRerank, true},
                            {"bedrock_agent", "bedrock", Operation::kAgent, true},
                            {"cohere_chat", "cohere", Operation::kChat, false},
                            {"ollama", "ollama", Operation::kChat, false}};
      for (const auto& c : cases) {
        call.dialect = c.dialect;
        call.provider = c.provider;
        call.operation = c.operation;
        CAPTURE(c.dialect);
        CHECK(reported_by_sdk(call) == c.reported);
      }
    }
  }
  SECTION("propagated by tracestate alone") {
    call.trace.tracestate =
        "vendor=x,dd=p:c1056909942ed2bb;s:1;t.dm:-0;t.llmobs_parent_id:77;t.llmobs_ml_app:a~b";
    CHECK(join_trace(call).parent_id == "77");
    CHECK(join_trace(call).ml_app == "a=b");
  }
  SECTION("a parent without an LLMObs trace takes the APM one") {
    call.trace.datadog_tags = "_dd.p.llmobs_parent_id=5";
    CHECK(join_trace(call).trace_id == "687555cd0000000058a0b13b60fee9d7");
  }
  SECTION("64 bits only") {
    call.trace.traceparent.clear();
    call.trace.datadog_trace_id = "6386299140199868887";
    CHECK(join_trace(call).apm_trace_id == "6386299140199868887");
    call.trace.datadog_tags = "_dd.p.tid=687555cd00000000";
    CHECK(join_trace(call).apm_trace_id == "687555cd0000000058a0b13b60fee9d7");
  }
}

TEST_CASE("llmobs: errors", "[unit]") {
  struct Case {
    int status;
    const char* dialect;
    const char* type;
  };
  const Case cases[] = {{400, "openai_chat", "openai.BadRequestError"},
                        {401, "openai_chat", "openai.AuthenticationError"},
                        {429, "openai_chat", "openai.RateLimitError"},
                        {503, "openai_chat", "openai.InternalServerError"},
                        {404, "anthropic_messages", "anthropic.NotFoundError"},
                        {529, "anthropic_messages", "anthropic.InternalServerError"}};
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.status << " " << c.dialect) {
      CallRecord call = chat();
      call.dialect = c.dialect;
      call.http_status = c.status;
      call.output.clear();
      call.error = CallError{"t", "c", "no", R"({"error":{"message":"no"}})", false};
      const Value event = encode_event(call, {});
      CHECK(event["status"] == "error");
      CHECK(event["meta"]["error"]["type"] == c.type);
      CHECK(event["meta"]["error"]["message"] ==
            "Error code: " + std::to_string(c.status) + R"( - {"error":{"message":"no"}})");
      CHECK(event["meta"]["error"]["stack"] == "");
      CHECK(event["metrics"] == Value::object());
      CHECK(event["meta"]["output"]["messages"] == Value::parse(R"([{"role":"","content":""}])"));
      CHECK(has_tag(event, std::string("error_type:") + c.type));
    }
  }
}

TEST_CASE("llmobs: a cancelled stream is no error, a truncated one is", "[unit]") {
  CallRecord call = chat();
  call.end = End::kCancelled;
  CHECK_FALSE(failed(call));
  call.end = End::kTruncated;
  CHECK(failed(call));
  CHECK(encode_event(call, {})["meta"]["error"]["type"] == "openai.APIConnectionError");
}

TEST_CASE("llmobs: time to first token in seconds, streams only", "[unit]") {
  CallRecord call = chat();
  call.timing.first_token = call.timing.request_start + 250'000'000;
  CHECK_FALSE(encode_event(call, {})["metrics"].contains("time_to_first_token"));
  call.streamed = true;
  CHECK(encode_event(call, {})["metrics"]["time_to_first_token"] == Approx(0.25));
}

TEST_CASE("llmobs: an event beyond the limit loses its content", "[unit]") {
  CallRecord call = chat();
  call.input = {said("user", std::string(6'000'000, 'x'))};
  const Value event = encode_event(call, {});
  CHECK(event_json(event).size() < 5'000'000);
  CHECK(event["collection_errors"] == Value::array({"dropped_io"}));
  CHECK(event["meta"]["input"]["value"].get<std::string>().find("5MB size limit") !=
        std::string::npos);
  CHECK(event["metrics"]["input_tokens"] == 8);
}

TEST_CASE("llmobs: what nests too deep becomes text", "[unit]") {
  CallRecord call = chat();
  std::string deep = "1";
  for (int i = 0; i < 40; ++i) deep = R"({"a":)" + deep + "}";
  call.tools.push_back({"f", "", deep, "function", false});
  const Value event = encode_event(call, {});
  const auto depth = [](const Value& value) {
    int levels = 0;
    for (const Value* at = &value; at->is_object(); at = &at->front()) ++levels;
    return levels;
  };
  CHECK(depth(event["meta"]["tool_definitions"][0]["schema"]) <= 12);
}

TEST_CASE("llmobs: content can be left out", "[unit]") {
  CallRecord call = chat();
  call.tools.push_back({"f", "d", "{}", "function", false});
  EncodeOptions options;
  options.content = false;
  const Value event = encode_event(call, options);
  CHECK_FALSE(event["meta"].contains("input"));
  CHECK_FALSE(event["meta"].contains("output"));
  CHECK_FALSE(event["meta"].contains("tool_definitions"));
  CHECK(event["metrics"]["total_tokens"] == 11);
}

TEST_CASE("llmobs: the call to a proxy whose own call is seen is a workflow", "[unit]") {
  CallRecord call = chat();
  call.vendor.push_back({"proxy_hop", "true"});
  const Value event = encode_event(call, {});
  CHECK(event["meta"]["span"]["kind"] == "workflow");
  CHECK(event["metrics"] == Value::object());
  CHECK(event["meta"]["input"]["value"].is_string());
  CHECK_FALSE(event["meta"].contains("model_name"));
}

TEST_CASE("llmobs: anthropic blocks are messages, cache writes are split", "[unit]") {
  CallRecord call = chat();
  call.dialect = "anthropic_messages";
  call.host = "api.anthropic.com";
  call.usage.cache_write = 1000;
  call.usage.cache_write_1h = 600;
  call.usage.cache_write_5m = 400;
  Part thinking;
  thinking.kind = PartKind::kReasoning;
  thinking.wire_type = "thinking";
  thinking.text = "hm";
  call.output[0].parts.insert(call.output[0].parts.begin(), thinking);
  const Value event = encode_event(call, {});
  CHECK(event["name"] == "anthropic.request");
  CHECK(event["meta"]["model_name"] == "gpt-4o");  // the one asked for
  CHECK(event["meta"]["model_provider"] == "anthropic");
  CHECK(event["metrics"]["input_tokens"] == 1008);
  CHECK(event["metrics"]["ephemeral_1h_input_tokens"] == 600);
  CHECK(event["metrics"]["ephemeral_5m_input_tokens"] == 400);
  CHECK(event["meta"]["output"]["messages"] == Value::parse(R"([{"role":"reasoning","content":"hm"},
                         {"role":"assistant","content":"hello"}])"));
}

TEST_CASE("llmobs: ReAct text is a tool call", "[unit]") {
  Value message = {{"role", "assistant"},
                   {"content", "Action: Calc \nAction Input: {\"a\": 1}\nObservation: 2"}};
  fold_react(message, true);
  CHECK(message["content"] == "");
  CHECK(message["tool_calls"][0]["name"] == "Calc");
  CHECK(message["tool_calls"][0]["arguments"]["a"] == 1);
  CHECK(message["tool_results"][0]["result"] == "2");
}

TEST_CASE("llmobs: the SDK's estimate of tokens", "[unit]") {
  struct Case {
    const char* text;
    std::uint64_t tokens;
  };
  // round((1.5 * len / 4 + 0.5 * 0.75 * words) / 2), half to even.
  const Case cases[] = {{"", 0},
                        {"Hello world", 2},
                        {"Who won the world series in 2020?", 8},
                        {"The Los Angeles Dodgers won the World Series in 2020.", 12}};
  for (const auto& c : cases) {
    CAPTURE(c.text);
    CHECK(estimate_text(c.text) == c.tokens);
  }
  CallRecord call = chat();
  CHECK_FALSE(estimate_tokens(call));
  call.usage = {};
  call.streamed = true;
  REQUIRE(estimate_tokens(call));
  CHECK(has_tag(encode_event(call, {}), "token_source:estimated"));
}

}  // namespace
}  // namespace llmtap::llmobs
