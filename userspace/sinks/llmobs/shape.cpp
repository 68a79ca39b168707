// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/llmobs/shape.h"

#include <algorithm>

#include "userspace/sinks/json_text.h"

namespace llmtap::llmobs {

std::string_view span_kind(Operation operation) {
  switch (operation) {
    case Operation::kEmbeddings:
      return "embedding";
    case Operation::kRerank:
    case Operation::kRetrieval:
      return "retrieval";
    case Operation::kAgent:
      return "agent";
    case Operation::kModeration:
    case Operation::kCountTokens:
    case Operation::kManagement:
      return "task";
    default:
      return "llm";
  }
}

Value message(std::string_view role, std::string_view content) {
  return {{"role", role}, {"content", content}};
}

Value json_or_string(const std::string& text) { return json_or_text<Value>(text); }

std::string member(const Value& value, const char* key) {
  const auto found = value.is_object() ? value.find(key) : value.end();
  return found != value.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Value arguments(const std::string& text) {
  if (text.empty()) return Value::object();
  auto value = parse_json_text<Value>(text);
  if (value.is_object()) return value;
  return {{"value", text}};
}

Value tool_call(const Part& part, std::string_view type) {
  return {{"name", part.tool_name},
          {"arguments", arguments(part.arguments)},
          {"tool_id", part.tool_id},
          {"type", type}};
}

namespace {

void write_python(const nlohmann::ordered_json& value, std::string& out) {
  if (value.is_object()) {
    out += '{';
    bool first = true;
    for (const auto& [key, member] : value.items()) {
      if (!first) out += ", ";
      first = false;
      out += nlohmann::json(key).dump(-1, ' ', true);
      out += ": ";
      write_python(member, out);
    }
    out += '}';
  } else if (value.is_array()) {
    out += '[';
    bool first = true;
    for (const auto& element : value) {
      if (!first) out += ", ";
      first = false;
      write_python(element, out);
    }
    out += ']';
  } else {
    out += value.dump(-1, ' ', true);
  }
}

const Param* find(const std::vector<Param>& params, std::string_view name) {
  const auto it =
      std::find_if(params.begin(), params.end(), [&](const Param& p) { return p.name == name; });
  return it == params.end() ? nullptr : &*it;
}

std::string_view marker(const Part& part) {
  switch (part.kind) {
    case PartKind::kImage:
      return "[image]";
    case PartKind::kAudio:
      return "[audio]";
    case PartKind::kVideo:
      return "[video]";
    case PartKind::kFile:
      return "[file]";
    default:
      return {};
  }
}

}  // namespace

std::string python_json(const std::string& text) {
  const auto value = parse_json_text<nlohmann::ordered_json>(text);
  if (value.is_discarded()) return text;
  std::string out;
  write_python(value, out);
  return out;
}

std::optional<Value> param(const CallRecord& call, std::string_view name) {
  const Param* found = find(call.params, name);
  if (!found) return std::nullopt;
  return json_or_string(found->json);
}

std::optional<Value> vendor_value(const CallRecord& call, std::string_view name) {
  const Param* found = find(call.vendor, name);
  if (!found) return std::nullopt;
  return json_or_string(found->json);
}

Value pick_params(const CallRecord& call, std::initializer_list<std::string_view> names) {
  Value picked = Value::object();
  for (const auto name : names) {
    if (auto value = param(call, name)) picked[std::string(name)] = std::move(*value);
  }
  return picked;
}

Value tool_definitions(const CallRecord& call) {
  Value list = Value::array();
  for (const auto& tool : call.tools) {
    Value schema = tool.deferred || tool.schema.empty() ? Value::object() : arguments(tool.schema);
    const std::string description = tool.deferred ? std::string() : tool.description;
    if (tool.name.empty() && description.empty() && schema.empty()) continue;
    list.push_back({{"name", tool.name}, {"description", description}, {"schema", schema}});
  }
  return list;
}

Value embedding_input(const CallRecord& call) {
  Value documents = Value::array();
  for (const auto& text : call.documents) documents.push_back({{"text", text}});
  return {{"documents", documents}};
}

Value embedding_output(const CallRecord& call) {
  if (!call.embedding_count) return Value::object();
  std::string text = "[" + std::to_string(*call.embedding_count) + " embedding(s) returned";
  if (call.embedding_size) text += " with size " + std::to_string(*call.embedding_size);
  return {{"value", text + "]"}};
}

Value usage_metrics(const CallRecord& call) {
  Value metrics = Value::object();
  const Usage& usage = call.usage;
  const auto input = usage.input();
  const auto output = usage.output();
  if (input) metrics["input_tokens"] = *input;
  if (output) metrics["output_tokens"] = *output;
  if (input || output) metrics["total_tokens"] = input.value_or(0) + output.value_or(0);
  if (usage.cache_read) metrics["cache_read_input_tokens"] = *usage.cache_read;
  if (usage.cache_write) metrics["cache_write_input_tokens"] = *usage.cache_write;
  if (usage.reasoning) metrics["reasoning_output_tokens"] = *usage.reasoning;
  if (call.cost && call.cost->source == Cost::Source::kProvider) {
    metrics["total_cost"] = call.cost->total_usd;
    if (call.cost->input_usd) metrics["input_cost"] = *call.cost->input_usd;
    if (call.cost->output_usd) metrics["output_cost"] = *call.cost->output_usd;
  }
  return metrics;
}

std::string served_model(const CallRecord& call, std::string_view fallback) {
  if (call.model_served && !call.model_served->empty()) return *call.model_served;
  if (call.model_requested && !call.model_requested->empty()) return *call.model_requested;
  return std::string(fallback);
}

Value general_messages(const std::vector<Message>& messages, std::string_view separator) {
  Value list = Value::array();
  for (const auto& wire : messages) {
    std::string text, reasoning;
    bool any_text = false;
    Value calls = Value::array(), results = Value::array();
    for (const auto& part : wire.parts) {
      if (part.kind == PartKind::kReasoning) {
        reasoning += part.text;
      } else if (part.kind == PartKind::kToolCall) {
        calls.push_back(tool_call(part, part.wire_type.empty() ? "function" : part.wire_type));
      } else if (part.kind == PartKind::kToolResult) {
        results.push_back({{"name", part.tool_name},
                           {"result", part.text},
                           {"tool_id", part.tool_id},
                           {"type", "tool_result"}});
      } else {
        if (any_text) text += separator;
        any_text = true;
        const auto mark = marker(part);
        text += mark.empty() ? (part.text.empty() ? part.raw : part.text) : std::string(mark);
      }
    }
    if (!reasoning.empty()) list.push_back(message("reasoning", reasoning));
    Value shaped = message(wire.role, text);
    if (!calls.empty()) shaped["tool_calls"] = std::move(calls);
    if (!results.empty()) shaped["tool_results"] = std::move(results);
    list.push_back(std::move(shaped));
  }
  return list;
}

}  // namespace llmtap::llmobs
