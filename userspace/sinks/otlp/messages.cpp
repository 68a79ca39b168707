// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/otlp/messages.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include "userspace/sinks/json_text.h"

namespace llmtap::otlp {
namespace {

// Dialects that carry the system prompt in a field of its own.
bool has_instructions(const CallRecord& call) {
  constexpr std::array<std::string_view, 6> kDialects = {
      "anthropic", "gemini", "bedrock", "openai_responses", "openai_realtime", "openai_assistants"};
  return std::any_of(kDialects.begin(), kDialects.end(),
                     [&call](std::string_view d) { return call.dialect.starts_with(d); });
}

std::size_t leading_instructions(const CallRecord& call) {
  std::size_t count = 0;
  if (!has_instructions(call)) return 0;
  while (count < call.input.size() && call.input[count].role == "system") ++count;
  return count;
}

std::string role_of(const std::string& wire) {
  std::string role = wire;
  std::transform(role.begin(), role.end(), role.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (role == "model" || role == "chatbot") return "assistant";
  if (role == "function") return "tool";
  return role;
}

std::string_view modality(PartKind kind) {
  switch (kind) {
    case PartKind::kImage:
      return "image";
    case PartKind::kAudio:
      return "audio";
    case PartKind::kVideo:
      return "video";
    default:
      return "document";
  }
}

Value media(const Part& part) {
  Value out = {{"type", "blob"}, {"modality", modality(part.kind)}};
  if (!part.media_type.empty()) out["mime_type"] = part.media_type;
  if (part.reference.empty()) {
    out["content"] = "";
    if (part.bytes) out["size"] = *part.bytes;
  } else if (part.reference.find("://") != std::string::npos) {
    out["type"] = "uri";
    out["uri"] = part.reference;
  } else {
    out["type"] = "file";
    out["file_id"] = part.reference;
  }
  if (!part.text.empty()) out["transcript"] = part.text;
  return out;
}

Value generic(const Part& part) {
  Value out = part.raw.empty() ? Value() : json_or_text<Value>(part.raw);
  if (!out.is_object()) {
    out = {{"content", part.text.empty() ? part.raw : part.text}};
  }
  out["type"] = part.wire_type.empty() ? "other" : part.wire_type;
  return out;
}

Value part_value(const Part& part) {
  switch (part.kind) {
    case PartKind::kText:
      return {{"type", "text"}, {"content", part.text}};
    case PartKind::kReasoning:
      return {{"type", "reasoning"}, {"content", part.text}};
    case PartKind::kRefusal:
      return {{"type", "refusal"}, {"content", part.text}};
    case PartKind::kToolCall: {
      Value out = {{"type", "tool_call"}, {"name", part.tool_name}};
      if (!part.tool_id.empty()) out["id"] = part.tool_id;
      if (!part.arguments.empty()) out["arguments"] = json_or_text<Value>(part.arguments);
      return out;
    }
    case PartKind::kToolResult: {
      Value out = {{"type", "tool_call_response"}};
      if (!part.tool_id.empty()) out["id"] = part.tool_id;
      out["response"] = part.text;
      return out;
    }
    case PartKind::kImage:
    case PartKind::kAudio:
    case PartKind::kVideo:
    case PartKind::kFile:
      return media(part);
    case PartKind::kOther:
      break;
  }
  return generic(part);
}

Value parts_of(const Message& message) {
  Value parts = Value::array();
  for (const auto& part : message.parts) parts.push_back(part_value(part));
  return parts;
}

std::string finish_reason(const std::string& wire) {
  struct Row {
    std::string_view ours;
    std::array<std::string_view, 6> theirs;
  };
  static constexpr std::array kRows = {
      Row{"stop", {"stop", "end_turn", "stop_sequence", "complete", "completed", "end"}},
      Row{"length", {"length", "max_tokens", "max_output_tokens", "incomplete"}},
      Row{"tool_call", {"tool_calls", "tool_call", "tool_use", "function_call"}},
      Row{"content_filter",
          {"content_filter", "content_filtered", "safety", "guardrail_intervened", "refusal",
           "prohibited_content"}},
      Row{"error", {"error", "failed", "malformed_function_call", "error_toxic"}},
  };
  std::string lower = wire;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const auto& row : kRows) {
    if (std::find(row.theirs.begin(), row.theirs.end(), lower) != row.theirs.end())
      return std::string(row.ours);
  }
  return wire;
}

}  // namespace

Value system_instructions(const CallRecord& call) {
  Value all = Value::array();
  for (std::size_t i = 0; i < leading_instructions(call); ++i) {
    for (auto& part : parts_of(call.input[i])) all.push_back(std::move(part));
  }
  return all;
}

Value input_messages(const CallRecord& call) {
  Value all = Value::array();
  for (std::size_t i = leading_instructions(call); i < call.input.size(); ++i) {
    const auto& message = call.input[i];
    all.push_back({{"role", role_of(message.role)}, {"parts", parts_of(message)}});
  }
  return all;
}

// The schema wants a finish reason; a stream that broke off has none to give.
Value output_messages(const CallRecord& call) {
  const bool items = call.dialect == "openai_responses";  // one choice in several items
  Value all = Value::array();
  for (const auto& message : call.output) {
    const std::string role = role_of(message.role.empty() ? "assistant" : message.role);
    if (items && !all.empty() && all.back()["role"] == role) {
      for (auto& part : parts_of(message)) all.back()["parts"].push_back(std::move(part));
      continue;
    }
    const auto& reason = message.finish_reason ? message.finish_reason : call.finish_reason;
    const std::string fallback = call.error || call.end != End::kComplete ? "error" : "unknown";
    all.push_back({{"role", role},
                   {"parts", parts_of(message)},
                   {"finish_reason", reason ? finish_reason(*reason) : fallback}});
  }
  return all;
}

Value tool_definitions(const CallRecord& call) {
  Value all = Value::array();
  for (const auto& tool : call.tools) {
    Value out = {{"type", "function"}, {"name", tool.name}};
    if (!tool.wire_type.empty() && tool.wire_type != "custom" && tool.wire_type != "toolSpec")
      out["type"] = tool.wire_type;
    if (!tool.description.empty()) out["description"] = tool.description;
    if (!tool.schema.empty()) out["parameters"] = json_or_text<Value>(tool.schema);
    all.push_back(std::move(out));
  }
  return all;
}

}  // namespace llmtap::otlp
