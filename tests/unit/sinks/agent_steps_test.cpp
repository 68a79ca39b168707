// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/llmobs/agent_steps.h"

#include <catch2/catch.hpp>
#include <string>

#include "userspace/sinks/llmobs/llmobs_encode.h"

using namespace llmtap;
using namespace llmtap::llmobs;

namespace {

CallRecord agent_call(const char* traces) {
  CallRecord call;
  call.provider = "bedrock";
  call.dialect = "bedrock_agent";
  call.operation = Operation::kAgent;
  call.timing.request_start = 1'754'882'900'000'000'000;
  call.timing.end = call.timing.request_start + 9'000'000'000;
  call.session_id = "s1";
  call.usage.input_uncached = 50;
  call.usage.output_visible = 8;
  call.vendor = {{"agent_id", "\"A1\""}, {"agent_traces", traces}};
  return call;
}

std::string tag_list(const Value& event) { return event["tags"].dump(); }

}  // namespace

TEST_CASE("agent steps: a model, a thought, a tool", "[unit]") {
  const CallRecord call = agent_call(R"([
    {"eventTime": "2025-08-11T03:28:38.5Z", "trace": {"orchestrationTrace": {"modelInvocationInput":
      {"traceId": "t-0", "foundationModel": "us.anthropic.claude-3-haiku-v1:0",
       "text": "{\"system\":\"Be kind.\",\"messages\":[{\"role\":\"user\",\"content\":\"2+2\"}]}"}}}},
    {"eventTime": "2025-08-11T03:28:39Z", "trace": {"orchestrationTrace": {"modelInvocationOutput":
      {"traceId": "t-0", "rawResponse": {"content": "<answer>"}, "metadata": {
       "startTime": "2025-08-11T03:28:38.25Z", "totalTimeMs": 700,
       "usage": {"inputTokens": 50, "outputTokens": 8}}}}}},
    {"eventTime": "2025-08-11T03:28:39Z", "trace": {"orchestrationTrace": {"rationale":
      {"traceId": "t-0", "text": "Use the tool."}}}},
    {"eventTime": "2025-08-11T03:28:40Z", "trace": {"orchestrationTrace": {"invocationInput":
      {"traceId": "t-0", "invocationType": "ACTION_GROUP", "actionGroupInvocationInput":
       {"actionGroupName": "math", "function": "add", "executionType": "LAMBDA",
        "parameters": [{"name": "a", "value": "2"}]}}}}},
    {"eventTime": "2025-08-11T03:28:41Z", "trace": {"orchestrationTrace": {"observation":
      {"traceId": "t-0", "type": "ACTION_GROUP", "actionGroupInvocationOutput": {"text": "4",
       "metadata": {"startTime": "2025-08-11T03:28:40Z", "totalTimeMs": 900}}}}}},
    {"eventTime": "2025-08-11T03:28:42Z", "trace": {"orchestrationTrace": {"observation":
      {"traceId": "t-0", "type": "FINISH", "finalResponse": {"text": "4"}}}}}])");
  const auto events = encode_events(call, {});
  REQUIRE(events.size() == 5);
  const Value &root = events[0], &step = events[1], &model = events[2], &thought = events[3],
              &tool = events[4];
  CHECK(root["meta"]["span"]["kind"] == "agent");
  CHECK(root["metrics"] == Value::object());  // the model's span has them
  CHECK(step["name"] == "orchestrationTrace Step");
  CHECK(step["meta"]["span"]["kind"] == "workflow");
  CHECK(step["parent_id"] == root["span_id"]);
  CHECK(step["meta"]["metadata"] == Value{{"bedrock_trace_id", "t-0"}});
  CHECK(step["meta"]["input"] == model["meta"]["input"]);
  CHECK(step["meta"]["output"] == Value{{"value", "4"}});
  CHECK(step["start_ns"] == 1'754'882'918'500'000'000);
  CHECK(step["duration"] == 2'400'000'000);  // to the end of the tool
  for (const auto* inner : {&model, &thought, &tool}) {
    CHECK((*inner)["parent_id"] == step["span_id"]);
    CHECK((*inner)["trace_id"] == root["trace_id"]);
    CHECK((*inner)["session_id"] == "s1");
  }
  CHECK(model["name"] == "modelInvocation");
  CHECK(model["start_ns"] == 1'754'882'918'250'000'000);
  CHECK(model["duration"] == 700'000'000);
  CHECK(model["meta"]["metadata"] ==
        Value{{"model_name", "claude-3-haiku-v1:0"}, {"model_provider", "anthropic"}});
  CHECK(model["meta"]["input"]["messages"][0] == message("system", "Be kind."));
  CHECK(model["meta"]["output"]["messages"][0] == message("assistant", "<answer>"));
  CHECK(model["metrics"] == Value{{"input_tokens", 50}, {"output_tokens", 8}});
  CHECK(thought["name"] == "reasoning");
  CHECK(thought["meta"]["output"] == Value{{"value", "Use the tool."}});
  CHECK(tool["name"] == "math");
  CHECK(tool["meta"]["span"]["kind"] == "tool");
  CHECK(tool["meta"]["metadata"] == Value{{"function", "add"}, {"execution_type", "LAMBDA"}});
  CHECK(tool["meta"]["input"] == Value{{"value", R"({"a": "2"})"}});

  EncodeOptions bare;
  bare.content = false;
  for (const auto& event : encode_events(call, bare)) CHECK_FALSE(event["meta"].contains("output"));
  CHECK(encode_events(call, {}) == events);  // ids follow from the record
}

TEST_CASE("agent steps: failures and guardrails", "[unit]") {
  CallRecord call = agent_call(R"([
    {"trace": {"guardrailTrace": {"traceId": "g-0", "action": "INTERVENED",
      "inputAssessments": [{"x": 1}], "metadata": {"totalTimeMs": 3}}}},
    {"trace": {"failureTrace": {"traceId": "f-0", "failureType": "INTERNAL", "failureReason": "no"}}}])");
  call.error = CallError{"GuardrailTriggered", "", "Guardrail intervened", "", true};
  const auto events = encode_events(call, {});
  REQUIRE(events.size() == 5);
  CHECK(events[0]["meta"]["error"]["type"] ==
        "ddtrace.llmobs._integrations.bedrock_agents.BedrockGuardrailTriggeredException");
  CHECK(events[1]["name"] == "guardrailTrace Step");
  CHECK(events[1]["status"] == "ok");
  CHECK(tag_list(events[1]).find("\"error:0\"") != std::string::npos);
  CHECK(events[2]["name"] == "guardrail");
  CHECK(events[2]["meta"]["error"]["type"] == "GuardrailTriggered");
  CHECK(events[2]["duration"] == 3'000'000);
  CHECK(tag_list(events[2]).find("error_type:GuardrailTriggered") != std::string::npos);
  CHECK(events[2]["meta"]["output"]["value"] ==
        R"({"action": "INTERVENED", "inputAssessments": [{"x": 1}], "outputAssessments": []})");
  CHECK(events[4]["name"] == "failureEvent");
  CHECK(events[4]["meta"]["error"]["message"] == "no");
}

TEST_CASE("agent steps: traces of any shape do no harm", "[unit]") {
  for (const char* traces :
       {"[]", "{}", "[1]", "[{}]", R"([{"trace": 5}])", R"([{"trace": {"a": {}, "b": {}}}])",
        R"([{"trace": {"orchestrationTrace": []}}])",
        R"([{"eventTime": "x", "trace": {"orchestrationTrace": {"observation": 7}}}])",
        R"([{"trace": {"orchestrationTrace": {"modelInvocationInput": {"text": "no json"}}}}])",
        R"([{"trace": {"orchestrationTrace": {"modelInvocationOutput": {"metadata": 1}}}}])",
        R"([{"trace": {"orchestrationTrace": {"invocationInput": {"invocationType": "ACTION_GROUP",
            "actionGroupInvocationInput": {"parameters": [1, {"name": 2}]}}}}}])"}) {
    CAPTURE(traces);
    CHECK_NOTHROW(encode_events(agent_call(traces), {}));
  }
}
