// SPDX-License-Identifier: Apache-2.0
//
// dd-trace-py's `openai` integration, Responses and Realtime: one message per item (datadog-llmobs
// 5.1.4, 5.1.7). Media are markers or references, never content.
#include <algorithm>

#include "userspace/sinks/llmobs/shape_openai.h"
#include "userspace/sinks/llmobs/tags.h"

namespace llmtap::llmobs {
namespace {

constexpr std::size_t kMaxItemText = 4096;  // characters of an item that has no shape of its own

std::string cut(std::string text, std::size_t characters) {
  std::size_t at = 0;
  for (; at < text.size() && characters > 0; --characters) {
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
  }
  text.resize(at);
  return text;
}

bool is_call(const Part& part) { return part.kind == PartKind::kToolCall; }

std::string media_text(const Part& part, std::string_view marker) {
  return part.reference.empty() ? std::string(marker) : part.reference;
}

// Text, refusals and references, one after the other without a separator.
std::string item_text(const Message& item) {
  std::string text;
  for (const auto& part : item.parts) {
    switch (part.kind) {
      case PartKind::kText:
      case PartKind::kRefusal:
        text += part.text;
        break;
      case PartKind::kImage:
        text += media_text(part, "[image]");
        break;
      case PartKind::kFile:
        text += media_text(part, "[file]");
        break;
      case PartKind::kAudio:
        text += part.text.empty() ? "[audio]" : part.text;
        break;
      default:
        break;
    }
  }
  return text;
}

// The SDK's text for reasoning: three members of the item, keys sorted.
std::string reasoning_text(const Part& part, const std::string& id) {
  const Value item = part.raw.empty() ? Value::object() : json_or_string(part.raw);
  Value shown = {{"encrypted_content", ""}, {"id", ""}, {"summary", Value::array()}};
  for (auto& [key, value] : shown.items()) {
    if (item.is_object() && item.contains(key) && !item[key].is_null()) value = item[key];
  }
  if (part.raw.empty() && !part.text.empty()) {  // an abandoned stream has only the deltas
    shown["id"] = id;
    shown["summary"].push_back({{"text", part.text}, {"type", "summary_text"}});
  }
  return python_json(shown.dump(-1, ' ', false, Value::error_handler_t::replace));
}

Value result_of(const Part& part) {
  const bool hosted = part.wire_type == "mcp_call";
  return {{"name", part.tool_name},
          {"result", hosted && part.text.empty() ? "None" : part.text},
          {"tool_id", part.tool_id},
          {"type", hosted ? "mcp_tool_result" : part.wire_type}};
}

// Calls and results of an item; null if it has none.
Value tool_message(const Message& item) {
  Value shaped;
  for (const auto& part : item.parts) {
    if (is_call(part)) {
      shaped["tool_calls"].push_back(
          tool_call(part, part.wire_type.empty() ? "function_call" : part.wire_type));
    } else if (part.kind == PartKind::kToolResult) {
      shaped["tool_results"].push_back(result_of(part));
    }
  }
  if (!shaped.is_null()) shaped["role"] = item.role;
  return shaped;
}

bool unnamed(const Message& item) {
  return std::all_of(item.parts.begin(), item.parts.end(), [](const Part& part) {
    return part.kind == PartKind::kOther || part.kind == PartKind::kReasoning ||
           part.wire_type == "image_generation_call";
  });
}

Value input_messages(const std::vector<Message>& items) {
  Value list = Value::array();
  for (const auto& item : items) {
    if (Value tools = tool_message(item); !tools.is_null()) {
      list.push_back(std::move(tools));
    } else if (!unnamed(item)) {
      // The SDK leaves empty messages out, but for the instructions.
      const std::string text = item_text(item);
      if (!text.empty() || item.role == "system") list.push_back(message(item.role, text));
    }
  }
  return list;
}

Value output_message(const Message& item) {
  if (Value tools = tool_message(item); !tools.is_null()) return tools;
  const Part* first = item.parts.empty() ? nullptr : &item.parts.front();
  if (first != nullptr && first->kind == PartKind::kReasoning) {
    return message("reasoning", reasoning_text(*first, item.id));
  }
  if (first != nullptr && first->kind == PartKind::kOther) {
    return message(item.role, cut(first->raw, kMaxItemText));
  }
  return message(item.role, item_text(item));
}

bool listing(const Message& item) {
  return !item.parts.empty() && item.parts.front().wire_type == "mcp_list_tools";
}

// ---- reusable prompts: the template comes back filled in as `instructions` of the answer ----

std::string variable_text(const Value& variable) {
  if (variable.is_string()) return variable.get<std::string>();
  if (!variable.is_object()) return variable.dump();
  for (const auto* key : {"text", "image_url", "file_url", "file_id", "filename"}) {
    if (variable.contains(key) && variable[key].is_string()) return variable[key];
  }
  const std::string type = member(variable, "type");
  return type == "input_image" ? "[image]" : type == "input_file" ? "[file]" : "";
}

void replace_all(std::string& text, const std::string& what, const std::string& with) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) {
    text.replace(at, what.size(), with);
  }
}

// Messages of the filled-in template; empty ones left out.
Value template_messages(const Value& instructions) {
  Value list = Value::array();
  if (!instructions.is_array()) return list;
  for (const auto& item : instructions) {
    std::string text;
    if (!item.is_object() || !item.contains("content")) continue;
    if (item["content"].is_string()) text = item["content"];
    if (item["content"].is_array()) {
      for (const auto& block : item["content"]) text += variable_text(block);
    }
    if (!text.empty()) list.push_back(message(member(item, "role"), text));
  }
  return list;
}

Value prompt_of(const CallRecord& call, const Value& request, const Value& messages) {
  Value prompt = {{"ml_app", ml_app(call, join_trace(call))},
                  {"variables", Value::object()},
                  {"chat_template", messages},
                  {"_dd_context_variable_keys", Value::array({"context"})},
                  {"_dd_query_variable_keys", Value::array({"question"})}};
  for (const auto* key : {"id", "version"}) {
    if (request.contains(key) && !request[key].is_null()) prompt[key] = request[key];
  }
  // Longer values first: one may be inside of another.
  std::vector<std::pair<std::string, std::string>> values;
  if (request.contains("variables") && request["variables"].is_object()) {
    for (const auto& [name, variable] : request["variables"].items()) {
      prompt["variables"][name] = variable_text(variable);
      if (auto value = variable_text(variable); !value.empty()) values.emplace_back(value, name);
    }
  }
  std::sort(values.begin(), values.end(),
            [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  for (auto& entry : prompt["chat_template"]) {
    std::string text = entry["content"];
    for (const auto& [value, name] : values) replace_all(text, value, "{{" + name + "}}");
    entry["content"] = text;
  }
  return prompt;
}

Value input(const CallRecord& call) {
  Value shaped = {{"messages", input_messages(call.input)}};
  const auto request = param(call, "prompt");
  const auto instructions = vendor_value(call, "prompt_instructions");
  if (request && request->is_object() && instructions) {
    const Value messages = template_messages(*instructions);
    if (call.input.empty()) shaped["messages"] = messages;
    shaped["prompt"] = prompt_of(call, *request, messages);
  }
  return shaped;
}

Value output(const CallRecord& call) {
  Value list = Value::array();
  for (const auto& item : call.output) {
    if (!listing(item)) list.push_back(output_message(item));
  }
  return {{"messages", std::move(list)}};
}

Value metadata(const CallRecord& call) {
  Value picked = pick_params(
      call, {"stream", "temperature", "top_p", "user", "background", "include", "max_output_tokens",
             "max_tool_calls", "parallel_tool_calls", "previous_response_id", "prompt", "reasoning",
             "service_tier", "store", "text", "tool_choice", "top_logprobs", "truncation"});
  if (const auto effective = vendor_value(call, "effective_params"); effective) {
    picked.update(*effective);
  }
  return picked;
}

// The SDK turns a description into text, null too.
Value tools(const CallRecord& call) {
  CallRecord shown;
  shown.tools = call.tools;
  for (auto& tool : shown.tools) {
    if (tool.null_description && !tool.name.empty()) tool.description = "None";
  }
  return tool_definitions(shown);
}

}  // namespace

const Shape kResponsesShape = {"openai", openai_name, openai_model,  openai_provider, input, output,
                               metadata, tools,       usage_metrics, "openai.",       ""};

}  // namespace llmtap::llmobs
