// SPDX-License-Identifier: Apache-2.0
#include "parsers/providers/anthropic_common.h"

#include "parsers/providers/common.h"

namespace llmtap {
namespace {

bool has(std::string_view text, std::string_view word) {
  return text.find(word) != std::string_view::npos;
}

// image and document: {"source": {"type": "base64" | "url" | "file" | "text", ...}}.
Part read_media(PartKind kind, std::string_view type, const Json& block) {
  const Json source = block["source"];
  Part part;
  part.kind = kind;
  part.wire_type = type;
  part.media_type = source["media_type"].str();
  part.reference = source["url"].str();
  if (part.reference.empty()) part.reference = source["file_id"].str();
  if (const auto data = source["data"].string()) {
    part.bytes = source["type"].string() == "base64" ? base64_size(*data) : data->size();
  }
  part.raw = dump_without_media(block);
  return part;
}

Part read_tool_result(std::string_view type, const Json& block) {
  Part part;
  part.kind = PartKind::kToolResult;
  part.wire_type = type;
  part.tool_id = block["tool_use_id"].str();
  const Json content = block["content"];
  if (const auto text = content.string()) {
    part.text = *text;
    return part;
  }
  for (const auto piece : content.elements()) {
    const auto text = piece["text"].string().value_or("");
    if (!part.text.empty() && !text.empty()) part.text += '\n';
    part.text += text;
  }
  if (content && !content.is_null()) part.raw = dump_without_media(content);
  return part;
}

}  // namespace

Part read_anthropic_block(const Json& block) {
  const auto type = block["type"].string().value_or("");
  if (type == "text") {
    Part part = text_part(type, block["text"].string().value_or(""));
    if (const Json cited = block["citations"]; cited.is_array() && cited.size() > 0) {
      part.raw = cited.dump();
    }
    return part;
  }
  if (type == "thinking" || type == "redacted_thinking") {
    Part part = text_part(type, block["thinking"].string().value_or(""));
    part.kind = PartKind::kReasoning;
    if (type == "redacted_thinking") part.raw = dump_without_media(block);
    return part;
  }
  if (type == "image") return read_media(PartKind::kImage, type, block);
  if (type == "document") return read_media(PartKind::kFile, type, block);
  if (has(type, "tool_use")) {
    Part part;
    part.kind = PartKind::kToolCall;
    part.wire_type = type;
    part.tool_id = block["id"].str();
    part.tool_name = block["name"].str();
    part.arguments = block["input"].is_string() ? block["input"].str() : block["input"].dump();
    return part;
  }
  if (has(type, "tool_result")) return read_tool_result(type, block);
  Part part;
  part.kind = PartKind::kOther;
  part.wire_type = type;
  part.text = block["content"].str();
  part.raw = dump_without_media(block);
  return part;
}

void read_anthropic_content(const Json& content, Message& message) {
  if (const auto text = content.string()) {
    message.parts.push_back(text_part("", *text));
  } else if (content.is_object()) {
    message.parts.push_back(read_anthropic_block(content));
  }
  for (const auto block : content.elements()) {
    message.parts.push_back(read_anthropic_block(block));
  }
}

void read_anthropic_tools(const Json& tools, CallRecord& call) {
  for (const auto tool : tools.elements()) {
    ToolDefinition out;
    out.name = tool["name"].str();
    out.description = tool["description"].str();
    if (tool["input_schema"].is_object()) out.schema = tool["input_schema"].dump();
    out.wire_type = tool["type"].str();
    out.deferred = tool["defer_loading"].boolean().value_or(false);
    call.tools.push_back(std::move(out));
  }
}

void apply_anthropic_usage(const Json& usage, CallRecord& call) {
  if (!usage.is_object()) return;
  const auto set = [](std::optional<std::uint64_t>& field, const Json& value) {
    if (const auto count = value.count()) field = count;
  };
  if (const auto tier = usage["service_tier"].string()) note_service_tier(*tier, call);
  Usage& out = call.usage;
  set(out.input_uncached, usage["input_tokens"]);
  set(out.cache_read, usage["cache_read_input_tokens"]);
  set(out.cache_write, usage["cache_creation_input_tokens"]);
  set(out.cache_write_5m, usage["cache_creation"]["ephemeral_5m_input_tokens"]);
  set(out.cache_write_1h, usage["cache_creation"]["ephemeral_1h_input_tokens"]);
  if (const auto output = usage["output_tokens"].count()) {
    const auto thinking = usage["output_tokens_details"]["thinking_tokens"].count();
    if (thinking) out.reasoning = thinking;
    const auto inside = out.reasoning.value_or(0);
    out.output_visible = *output >= inside ? *output - inside : *output;
  }
}

void apply_anthropic_error(const BodyEvent& event, const Json& json, CallRecord& call) {
  constexpr std::size_t kMaxText = 4096;
  CallError error;
  error.in_stream = call.http_status.value_or(200) < 400;
  const Json inner = json["error"];
  error.type = inner["type"].str();
  error.message = inner["message"].str();
  if (inner.is_string()) error.message = inner.str();
  if (error.message.empty()) error.message = json["message"].str();
  if (json.exists()) {
    error.body = json.dump();
  } else {
    error.message = event.data.substr(0, kMaxText);
  }
  if (call.request_id.empty()) call.request_id = json["request_id"].str();
  call.error = std::move(error);
}

void read_anthropic_identity(const Json& metadata, CallRecord& call) {
  const auto user = metadata["user_id"].string();
  if (!user) return;
  call.user_id = *user;
  // "user_<hash>_account_<uuid>_session_<uuid>" or {"device_id", "session_id", ...} as text.
  constexpr std::string_view kMark = "_session_";
  if (const auto at = user->rfind(kMark); at != std::string_view::npos) {
    call.session_id = user->substr(at + kMark.size());
  } else if (user->starts_with('{')) {
    JsonDocument document;
    const Json inner = document.parse(*user);
    call.session_id = inner["session_id"].str();
  }
}

}  // namespace llmtap
