// SPDX-License-Identifier: Apache-2.0
//
// Anthropic messages: POST {prefix}/v1/messages (also with ?beta=true).
// https://docs.claude.com/en/api/messages
//
//   {"model": "claude-sonnet-4-5", "max_tokens": 64, "system": "...",
//    "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}], "stream": true}
//   event: message_start        {"message": {"model", "id", "usage": {"input_tokens": 9, ...}}}
//   event: content_block_start  {"index": 0, "content_block": {"type": "text", "text": ""}}
//   event: content_block_delta  {"index": 0, "delta": {"type": "text_delta", "text": "he"}}
//   event: content_block_stop, message_delta {"delta": {"stop_reason"}, "usage"}, message_stop
//
// Quirks: input_tokens leaves out cached tokens; usage is cumulative, the last value wins; tool
// input arrives as JSON text in pieces; an `error` event may end a stream that began well.
#include "parsers/providers/anthropic_common.h"
#include "parsers/providers/common.h"

namespace llmtap {
namespace {

constexpr std::string_view kParams[] = {"anthropic_version",
                                        "container",
                                        "context_management",
                                        "inference_geo",
                                        "max_tokens",
                                        "mcp_servers",
                                        "metadata",
                                        "output_config",
                                        "output_format",
                                        "service_tier",
                                        "speed",
                                        "stop_sequences",
                                        "stream",
                                        "temperature",
                                        "thinking",
                                        "tool_choice",
                                        "top_k",
                                        "top_p"};

Match matches(const RequestHead& head) {
  if (head.method != "POST" && !head.method.empty()) return Match::kNo;
  if (path_ends(head.path, "/v1/messages")) return Match::kYes;
  return path_ends(head.path, "/messages") ? Match::kIfBody : Match::kNo;
}

// Messages with max_tokens at the top and either of the API's own members.
bool confirms(const RequestHead& head, const Json& body) {
  if (head.method != "POST" || !body["messages"].is_array()) return false;
  if (!body["max_tokens"].is_number()) return false;
  return body["anthropic_version"].exists() || body["system"].exists() ||
         path_ends(head.path, "/messages");
}

}  // namespace

void AnthropicParser::request(const RequestHead&, const RequestBody& body, CallRecord& call) {
  call.operation = Operation::kChat;
  if (const auto model = body.json["model"].string()) call.model_requested = std::string(*model);
  call.streamed = body.json["stream"].boolean().value_or(false);
  for (const auto [key, value] : body.json.members()) {
    // Server addresses and their tokens are no parameter; identity is read below.
    if (key == "mcp_servers" || key == "metadata") continue;
    for (const auto name : kParams) {
      if (key == name) add_param(call, key, dump_without_media(value));
    }
  }
  if (const Json system = body.json["system"]; system && !system.is_null()) {
    Message message;
    message.role = "system";
    read_anthropic_content(system, message);
    call.input.push_back(std::move(message));
  }
  for (const auto wire : body.json["messages"].elements()) {
    Message message;
    message.role = wire["role"].str();
    read_anthropic_content(wire["content"], message);
    call.input.push_back(std::move(message));
  }
  read_anthropic_tools(body.json["tools"], call);
  read_anthropic_identity(body.json["metadata"], call);
}

void AnthropicParser::start(const Json& message, CallRecord& call) {
  if (const auto model = message["model"].string()) call.model_served = std::string(*model);
  call.response_id = message["id"].str();
  apply_anthropic_usage(message["usage"], call);
  Message output;
  output.role = message["role"].str();
  read_anthropic_content(message["content"], output);
  if (const auto reason = message["stop_reason"].string()) {
    output.finish_reason = call.finish_reason = std::string(*reason);
  }
  call.output.push_back(std::move(output));
}

Part* AnthropicParser::block(const Json& index, CallRecord& call) {
  if (call.output.empty()) return nullptr;
  auto& parts = call.output.back().parts;
  const auto wanted = index.integer().value_or(-1);
  const auto found = blocks_.find(wanted);
  if (found != blocks_.end() && found->second < parts.size()) return &parts[found->second];
  return nullptr;
}

void AnthropicParser::begin_block(const Json& json, CallRecord& call) {
  if (call.output.empty()) call.output.push_back({"assistant", {}, std::nullopt, {}});
  auto& parts = call.output.back().parts;
  Part part = read_anthropic_block(json["content_block"]);
  // A tool's input comes in pieces behind its empty object.
  if (part.kind == PartKind::kToolCall && part.arguments == "{}") part.arguments.clear();
  blocks_[json["index"].integer().value_or(-1)] = parts.size();
  parts.push_back(std::move(part));
}

void AnthropicParser::delta(const Json& json, TimeNs ts_ns, CallRecord& call) {
  Part* part = block(json["index"], call);
  if (part == nullptr) return;
  const Json delta = json["delta"];
  const auto type = delta["type"].string().value_or("");
  if (type == "text_delta") {
    part->text += delta["text"].string().value_or("");
  } else if (type == "thinking_delta") {
    part->text += delta["thinking"].string().value_or("");
  } else if (type == "input_json_delta") {
    part->arguments += delta["partial_json"].string().value_or("");
  } else if (type == "citations_delta") {
    if (!part->raw.empty()) part->raw.back() = ',';
    part->raw += (part->raw.empty() ? "[" : "") + delta["citation"].dump() + "]";
    return;
  } else if (type == "compaction_delta") {
    part->text += delta["content"].string().value_or("");
  } else {
    return;  // signature_delta and what is still to come
  }
  mark_token(call, ts_ns);
}

Step AnthropicParser::event(const BodyEvent& event, const Json& json, CallRecord& call) {
  const auto type = json["type"].string().value_or("");
  if (type == "error" || call.http_status.value_or(200) >= 400) {
    apply_anthropic_error(event, json, call);
    return type == "error" && call.streamed ? Step::kCallDone : Step::kContinue;
  }
  if (type == "message") {
    call.streamed = false;
    start(json, call);
  } else if (type == "message_start") {
    call.streamed = true;
    start(json["message"], call);
  } else if (type == "content_block_start") {
    begin_block(json, call);
  } else if (type == "content_block_delta") {
    delta(json, event.ts_ns, call);
  } else if (type == "message_delta") {
    apply_anthropic_usage(json["usage"], call);
    if (const auto reason = json["delta"]["stop_reason"].string()) {
      call.finish_reason = std::string(*reason);
      if (!call.output.empty()) call.output.back().finish_reason = call.finish_reason;
    }
  } else if (type == "message_stop") {
    return Step::kCallDone;
  }
  return Step::kContinue;
}

void AnthropicParser::finish(CallRecord& call) {
  for (auto& message : call.output) {
    for (auto& part : message.parts) {
      if (part.kind == PartKind::kToolCall && part.arguments.empty()) part.arguments = "{}";
    }
  }
}

extern const Provider kAnthropicMessages;
const Provider kAnthropicMessages = {"anthropic_messages", matches, confirms, [] {
                                       return std::unique_ptr<CallParser>(new AnthropicParser);
                                     }};

}  // namespace llmtap
