// SPDX-License-Identifier: Apache-2.0
#include "parsers/providers/bedrock_common.h"

#include <algorithm>

#include "parsers/providers/common.h"

namespace llmtap {
namespace {

constexpr std::size_t kMaxBlocks = 4096;

std::string media_type(PartKind kind, std::string_view format) {
  if (format.find('/') != std::string_view::npos) return std::string(format);
  const std::string name(format);
  switch (kind) {
    case PartKind::kImage:
      return "image/" + name;
    case PartKind::kVideo:
      return "video/" + name;
    case PartKind::kAudio:
      return "audio/" + name;
    default:
      return format == "pdf" ? "application/pdf" : "text/" + name;
  }
}

Part read_media(PartKind kind, std::string_view key, const Json& media) {
  Part part;
  part.kind = kind;
  part.wire_type = key;
  part.media_type = media_type(kind, media["format"].string().value_or(""));
  const Json source = media["source"];
  if (const auto data = source["bytes"].string()) part.bytes = base64_size(*data);
  part.reference = source["s3Location"]["uri"].str();
  if (part.reference.empty()) part.reference = media["name"].str();
  return part;
}

Part read_tool_use(const Json& use) {
  Part part;
  part.kind = PartKind::kToolCall;
  part.wire_type = "toolUse";
  part.tool_name = use["name"].str();
  part.tool_id = use["toolUseId"].str();
  part.arguments = use["input"].dump();
  return part;
}

Part read_tool_result(const Json& result) {
  Part part;
  part.kind = PartKind::kToolResult;
  part.wire_type = "toolResult";
  part.tool_id = result["toolUseId"].str();
  for (const auto block : result["content"].elements()) {
    const auto text = block["json"].exists() ? block["json"].dump() : block["text"].str();
    if (!part.text.empty() && !text.empty()) part.text += '\n';
    part.text += text;
  }
  part.raw = dump_without_media(result["content"]);
  return part;
}

Part read_reasoning(const Json& block, const Json& reasoning) {
  Part part;
  part.kind = PartKind::kReasoning;
  part.wire_type = "reasoningContent";
  part.text = reasoning["reasoningText"]["text"].str();
  if (part.text.empty()) part.raw = dump_without_media(block);
  return part;
}

std::optional<std::uint64_t> either(const Json& object, std::string_view a, std::string_view b) {
  const auto first = object[a].count();
  return first ? first : object[b].count();
}

}  // namespace

std::optional<BedrockTarget> bedrock_target(std::string_view path) {
  const auto bare = bare_path(path);
  const auto at = bare.find("/model/");
  const auto last = bare.rfind('/');
  if (at == std::string_view::npos || last <= at + 7) return std::nullopt;
  return BedrockTarget{percent_decoded(bare.substr(at + 7, last - at - 7)), bare.substr(last + 1)};
}

Part read_converse_block(const Json& block) {
  if (const auto text = block["text"].string()) return text_part("text", *text);
  if (const Json use = block["toolUse"]) return read_tool_use(use);
  if (const Json result = block["toolResult"]) return read_tool_result(result);
  if (const Json reasoning = block["reasoningContent"]) return read_reasoning(block, reasoning);
  if (const Json image = block["image"]) return read_media(PartKind::kImage, "image", image);
  if (const Json video = block["video"]) return read_media(PartKind::kVideo, "video", video);
  if (const Json audio = block["audio"]) return read_media(PartKind::kAudio, "audio", audio);
  if (const Json file = block["document"]) return read_media(PartKind::kFile, "document", file);
  if (const auto text = block["guardContent"]["text"]["text"].string()) {
    return text_part("guardContent", *text);
  }
  Part part;
  part.kind = PartKind::kOther;
  for (const auto [key, value] : block.members()) {
    if (!part.wire_type.empty()) part.wire_type += ',';
    part.wire_type += key;
  }
  part.raw = dump_without_media(block);
  return part;
}

Message read_converse_message(const Json& message) {
  Message out;
  out.role = message["role"].str();
  const Json content = message["content"];
  if (const auto text = content.string()) out.parts.push_back(text_part("text", *text));
  for (const auto block : content.elements()) out.parts.push_back(read_converse_block(block));
  return out;
}

void read_converse_request(const Json& body, CallRecord& call) {
  for (const auto [name, value] : body["inferenceConfig"].members()) {
    add_param(call, name, value.dump());
  }
  constexpr std::string_view kOthers[] = {"additionalModelRequestFields",
                                          "guardrailConfig",
                                          "outputConfig",
                                          "performanceConfig",
                                          "requestMetadata",
                                          "serviceTier",
                                          "promptVariables",
                                          "schemaVersion"};
  read_params(body, kOthers, call);
  const Json tools = body["toolConfig"];
  if (tools["toolChoice"]) add_param(call, "toolChoice", tools["toolChoice"].dump());
  for (const auto tool : tools["tools"].elements()) {
    ToolDefinition out;
    const Json spec = tool["toolSpec"];
    out.wire_type = spec ? "toolSpec" : tool["systemTool"] ? "systemTool" : "cachePoint";
    out.name = spec ? spec["name"].str() : tool["systemTool"]["name"].str();
    out.description = spec["description"].str();
    out.schema = spec["inputSchema"]["json"].dump();
    call.tools.push_back(std::move(out));
  }
  if (const auto text = body["system"].string()) {
    call.input.push_back({"system", {text_part("text", *text)}, {}, {}});
  }
  for (const auto block : body["system"].elements()) {
    call.input.push_back({"system", {read_converse_block(block)}, {}, {}});
  }
  for (const auto message : body["messages"].elements()) {
    call.input.push_back(read_converse_message(message));
  }
}

void read_converse_usage(const Json& usage, CallRecord& call) {
  if (!usage.is_object()) return;
  Usage& out = call.usage;
  out.input_uncached = usage["inputTokens"].count();
  out.output_visible = usage["outputTokens"].count();
  out.total_reported = usage["totalTokens"].count();
  out.cache_read = either(usage, "cacheReadInputTokens", "cacheReadInputTokenCount");
  out.cache_write = either(usage, "cacheWriteInputTokens", "cacheWriteInputTokenCount");
  for (const auto detail : usage["cacheDetails"].elements()) {
    const auto ttl = detail["ttl"].string().value_or("");
    if (ttl == "5m") out.cache_write_5m = detail["inputTokens"].count();
    if (ttl == "1h") out.cache_write_1h = detail["inputTokens"].count();
  }
}

void apply_bedrock_exception(const BodyEvent& event, const Json& json, CallRecord& call) {
  CallError error;
  error.in_stream = true;
  error.type = event.name;
  if (!error.type.empty() && error.type.front() >= 'a' && error.type.front() <= 'z') {
    error.type.front() = static_cast<char>(error.type.front() - 'a' + 'A');
  }
  error.message = json["message"].exists() ? json["message"].str() : json["Message"].str();
  error.body = json.dump();
  call.error = std::move(error);
}

Part& ConverseFold::part(const Json& index, PartKind kind, CallRecord& call) {
  if (call.output.empty()) call.output.emplace_back().role = "assistant";
  auto& parts = call.output.back().parts;
  const auto wanted = index.integer().value_or(0);
  auto found = blocks_.find(wanted);
  const bool known = found != blocks_.end() && found->second < parts.size();
  if (known && parts[found->second].kind == kind) return parts[found->second];
  if (parts.size() >= kMaxBlocks) return parts.back();
  blocks_[wanted] = parts.size();
  parts.emplace_back().kind = kind;
  return parts.back();
}

void ConverseFold::delta(const Json& json, TimeNs ts_ns, CallRecord& call) {
  const Json delta = json["delta"];
  const Json index = json["contentBlockIndex"];
  if (const auto text = delta["text"].string()) {
    // Nova counts a block per piece of text: pieces of one text go together.
    auto* parts = call.output.empty() ? nullptr : &call.output.back().parts;
    const bool goes_on =
        parts != nullptr && !parts->empty() && parts->back().kind == PartKind::kText;
    Part& target = goes_on ? parts->back() : part(index, PartKind::kText, call);
    if (target.wire_type.empty()) target.wire_type = "text";
    target.text += *text;
  } else if (const Json use = delta["toolUse"]) {
    part(index, PartKind::kToolCall, call).arguments += use["input"].str();
  } else if (const Json reasoning = delta["reasoningContent"]) {
    Part& target = part(index, PartKind::kReasoning, call);
    target.wire_type = "reasoningContent";
    target.text += reasoning["text"].str();
    if (!reasoning["text"].exists()) return;  // signature, redacted content
  } else {
    return;
  }
  mark_token(call, ts_ns);
}

void ConverseFold::event(std::string_view name, const Json& json, TimeNs ts_ns, CallRecord& call) {
  if (name == "messageStart") {
    call.output.emplace_back().role = json["role"].str();
    blocks_.clear();
  } else if (name == "contentBlockStart") {
    if (const Json use = json["start"]["toolUse"]) {
      Part& target = part(json["contentBlockIndex"], PartKind::kToolCall, call);
      target = read_tool_use(use);
      target.arguments.clear();
    }
  } else if (name == "contentBlockDelta") {
    delta(json, ts_ns, call);
  } else if (name == "messageStop") {
    const auto reason = json["stopReason"].string();
    if (reason) call.finish_reason = std::string(*reason);
    if (!call.output.empty()) call.output.back().finish_reason = call.finish_reason;
  } else if (name == "metadata") {
    read_converse_usage(json["usage"], call);
    if (const auto tier = json["serviceTier"]["type"].string()) note_service_tier(*tier, call);
    if (json["trace"]["guardrail"].is_object()) {
      call.vendor.push_back({"guardrail_trace", json["trace"]["guardrail"].dump()});
    }
  }
}

void ConverseFold::whole(const Json& json, CallRecord& call) {
  if (const Json message = json["output"]["message"]; message.is_object()) {
    call.output.push_back(read_converse_message(message));
  }
  if (const auto reason = json["stopReason"].string()) {
    call.finish_reason = std::string(*reason);
    if (!call.output.empty()) call.output.back().finish_reason = call.finish_reason;
  }
  read_converse_usage(json["usage"], call);
  if (const auto tier = json["serviceTier"]["type"].string()) note_service_tier(*tier, call);
  if (json["trace"]["guardrail"].is_object()) {
    call.vendor.push_back({"guardrail_trace", json["trace"]["guardrail"].dump()});
  }
}

}  // namespace llmtap
