// SPDX-License-Identifier: Apache-2.0
//
// dd-trace-py's `bedrock` and `bedrock_agents` integrations (datadog-llmobs 5.6). What the SDK
// drops of InvokeModel (system, tools, thinking, whole families, cache counts) is kept here (D21).
#include <algorithm>

#include "userspace/sinks/llmobs/shape.h"

namespace llmtap::llmobs {
namespace {

std::string runtime_name(const CallRecord&) { return "bedrock-runtime.command"; }

std::string model(const CallRecord& call) {
  return call.model_requested.value_or(call.model_served.value_or("unknown"));
}

std::string provider(const CallRecord&) { return "amazon_bedrock"; }

bool is_text(const Part& part) {
  return part.kind == PartKind::kText || part.kind == PartKind::kRefusal;
}

// ---- Converse: texts and calls in one message, everything else in messages of its own ----

std::string block_result(const Value& block) {
  if (block.contains("text") && block["text"].is_string()) return block["text"];
  if (block.contains("json")) return python_json(block["json"].dump());
  std::string keys;
  for (const auto& [key, value] : block.items()) keys += (keys.empty() ? "" : ",") + key;
  return "[Unsupported content type(s): " + keys + "]";
}

void add_results(const Part& part, Value& list) {
  for (const auto& block : json_or_string(part.raw)) {
    if (!block.is_object()) continue;
    list.push_back({{"role", "user"},
                    {"tool_results", Value::array({{{"result", block_result(block)},
                                                    {"tool_id", part.tool_id},
                                                    {"type", "toolResult"}}})}});
  }
}

void add_converse(const Message& wire, std::string_view separator, bool streamed, Value& list) {
  std::string text;
  bool any = false;
  Value calls = Value::array(), unsupported = Value::array(), results = Value::array();
  for (const auto& part : wire.parts) {
    if (is_text(part)) {
      if (any) text += separator;
      any = true;
      text += part.text;
    } else if (part.kind == PartKind::kToolCall) {
      calls.push_back(tool_call(part, "toolUse"));
    } else if (part.kind == PartKind::kToolResult) {
      add_results(part, results);
    } else if (!streamed) {
      unsupported.push_back(
          message(wire.role, "[Unsupported content type: " + part.wire_type + "]"));
    }
  }
  Value shaped = Value::object();
  if (any || streamed) shaped = message(wire.role, text);
  if (!calls.empty()) shaped["tool_calls"] = std::move(calls);
  if (!shaped.empty()) {
    if (!shaped.contains("role")) shaped["role"] = "";
    list.push_back(std::move(shaped));
  }
  for (auto* more : {&unsupported, &results}) {
    for (auto& entry : *more) list.push_back(std::move(entry));
  }
}

// ---- InvokeModel: one message per block ----

bool is_claude(const CallRecord& call) { return param(call, "anthropic_version").has_value(); }

Value block_message(const Part& part, const std::string& role) {
  switch (part.kind) {
    case PartKind::kText:
    case PartKind::kRefusal:
      return message(role, part.text);
    case PartKind::kReasoning:
      return message("reasoning", part.text);
    case PartKind::kToolCall: {
      Value shaped = message(role, "");
      shaped["tool_calls"] = Value::array({tool_call(part, part.wire_type)});
      return shaped;
    }
    case PartKind::kToolResult: {
      Value shaped = message(role, "");
      shaped["tool_results"] = Value::array(
          {{{"result", part.text}, {"tool_id", part.tool_id}, {"type", "tool_result"}}});
      return shaped;
    }
    case PartKind::kImage:
      return message(role, "([IMAGE DETECTED])");
    default:
      return message(role, "[Unsupported content type: " + part.wire_type + "]");
  }
}

Value invoke_messages(const std::vector<Message>& wires, bool anonymous) {
  Value list = Value::array();
  for (const auto& wire : wires) {
    for (const auto& part : wire.parts) {
      list.push_back(block_message(part, anonymous ? std::string() : wire.role));
    }
  }
  return list;
}

Value input(const CallRecord& call) {
  if (call.operation == Operation::kEmbeddings) return embedding_input(call);
  // The SDK's span of a rerank call has no content.
  if (call.operation == Operation::kRerank) return {{"messages", {message("", "")}}};
  Value list = Value::array();
  if (call.dialect == "bedrock_converse") {
    for (const auto& wire : call.input) add_converse(wire, " ", false, list);
  } else {
    list = invoke_messages(call.input, false);
  }
  return {{"messages", std::move(list)}};
}

Value output(const CallRecord& call) {
  if (call.operation == Operation::kEmbeddings) return embedding_output(call);
  Value list = Value::array();
  if (call.operation == Operation::kRerank) return {{"messages", list}};
  if (call.dialect == "bedrock_converse") {
    for (const auto& wire : call.output) {
      add_converse(wire, call.streamed ? "" : " ", call.streamed, list);
    }
    if (list.empty()) list.push_back(message("assistant", ""));
  } else {
    list = invoke_messages(call.output, is_claude(call));
  }
  return {{"messages", std::move(list)}};
}

std::optional<Value> first_param(const CallRecord& call,
                                 std::initializer_list<std::string_view> names) {
  for (const auto name : names) {
    if (auto value = param(call, name); value && !value->is_null()) return value;
  }
  return std::nullopt;
}

Value metadata(const CallRecord& call) {
  Value shaped = Value::object();
  if (auto value = first_param(call, {"temperature"})) shaped["temperature"] = *value;
  if (auto value = first_param(call, {"maxTokens", "max_tokens", "max_tokens_to_sample",
                                      "maxTokenCount", "max_gen_len", "max_new_tokens"})) {
    shaped["max_tokens"] = *value;
  }
  // The SDK has it of whole answers only.
  if (call.dialect == "bedrock_converse" && call.finish_reason && !call.streamed) {
    shaped["stop_reason"] = *call.finish_reason;
  }
  return shaped;
}

// Converse's schema keeps its envelope {"json": ...}; tools of the service itself leave blanks.
Value tools(const CallRecord& call) {
  if (call.dialect != "bedrock_converse") return tool_definitions(call);
  Value list = Value::array();
  for (const auto& tool : call.tools) {
    Value entry = {{"name", ""}, {"description", ""}, {"schema", Value::object()}};
    if (tool.wire_type == "toolSpec") {
      entry["name"] = tool.name;
      entry["description"] = tool.description;
      if (!tool.schema.empty()) entry["schema"] = {{"json", json_or_string(tool.schema)}};
    }
    list.push_back(std::move(entry));
  }
  return list;
}

Value metrics(const CallRecord& call) {
  Value shaped = usage_metrics(call);
  if (call.usage.total_reported) shaped["total_tokens"] = *call.usage.total_reported;
  return shaped;
}

std::string_view kind(const CallRecord& call) {
  return call.operation == Operation::kRerank ? "llm" : span_kind(call.operation);
}

// ---- agents and knowledge bases ----

std::string agent_name(const CallRecord& call) {
  const auto agent = vendor_value(call, "agent_id");
  if (!agent || !agent->is_string()) return "bedrock-agent-runtime.command";
  return "Bedrock Agent " + agent->get<std::string>();
}

std::string text_of(const std::vector<Message>& wires) {
  std::string text;
  for (const auto& wire : wires) {
    for (const auto& part : wire.parts) text += part.text;
  }
  return text;
}

Value agent_input(const CallRecord& call) {
  if (call.operation == Operation::kChat) {
    return {{"messages", invoke_messages(call.input, false)}};
  }
  return {{"value", text_of(call.input)}};
}

Value agent_output(const CallRecord& call) {
  if (call.operation == Operation::kChat) {
    return {{"messages", invoke_messages(call.output, false)}};
  }
  if (call.operation != Operation::kRetrieval && call.operation != Operation::kRerank)
    return {{"value", text_of(call.output)}};
  Value documents = Value::array();
  for (const auto& wire : call.output) {
    for (const auto& part : wire.parts) {
      Value document = {{"text", part.text}};
      if (!wire.id.empty()) document["id"] = wire.id;
      if (const Value score = json_or_string(part.raw); score.is_number()) {
        document["score"] = score;
      }
      documents.push_back(std::move(document));
    }
  }
  return {{"documents", std::move(documents)}};
}

Value agent_metadata(const CallRecord& call) {
  Value shaped = Value::object();
  for (const auto* key : {"agent_id", "agent_alias_id", "knowledge_base_id"}) {
    if (auto value = vendor_value(call, key)) shaped[key] = *value;
  }
  return shaped;
}

// With traces the steps below have the tokens.
Value agent_metrics(const CallRecord& call) {
  return vendor_value(call, "agent_traces") ? Value::object() : metrics(call);
}

std::string agent_error(const CallRecord& call) {
  const std::string type = call.error ? call.error->type : std::string();
  const std::string module = "ddtrace.llmobs._integrations.bedrock_agents.";
  if (type == "GuardrailTriggered") return module + "BedrockGuardrailTriggeredException";
  if (type == "failureTrace") return module + "BedrockFailureException";
  return "botocore.exceptions.ClientError";
}

}  // namespace

const Shape kBedrockShape = {
    "bedrock", runtime_name, model, provider, input,
    output,    metadata,     tools, metrics,  "botocore.exceptions.ClientError",
    "",        kind};

const Shape kBedrockAgentShape = {"bedrock_agents",
                                  agent_name,
                                  model,
                                  provider,
                                  agent_input,
                                  agent_output,
                                  agent_metadata,
                                  tools,
                                  agent_metrics,
                                  "botocore.exceptions.ClientError",
                                  "",
                                  nullptr,
                                  agent_error};

}  // namespace llmtap::llmobs
