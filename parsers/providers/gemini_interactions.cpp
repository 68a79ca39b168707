// SPDX-License-Identifier: Apache-2.0
//
// Gemini Interactions: POST {prefix}/interactions, a model or a hosted agent; GET .../{id} polls.
// https://ai.google.dev/gemini-api/docs/interactions
//
//   {"model": "gemini-2.5-flash" | "agent": "deep-research-...", "input": "hi", "stream": true}
//   event: step.delta
//   data: {"index": 1, "delta": {"type": "text", "text": "he"}, "event_type": "step.delta"}
//   data: {"interaction": {"id", "status", "usage": {...}}, "event_type": "interaction.completed"}
//   data: [DONE]
//
// Quirks: thoughts are outside of total_output_tokens, cached tokens inside of the input; an answer
// is a list of steps (thought, model_output, function_call, hosted tools), here one message each.
#include <cstdint>
#include <map>

#include "parsers/providers/common.h"
#include "parsers/providers/gemini_common.h"
#include "parsers/providers/provider.h"

namespace llmtap {
namespace {

constexpr std::size_t kMaxSteps = 4096;
constexpr std::string_view kParams[] = {
    "agent", "background", "previous_interaction_id", "response_format", "service_tier",
    "store", "stream",     "response_modalities"};

// Segments from "interactions" on: 1 for the collection, more for one interaction.
std::size_t depth(std::string_view path) {
  const auto segments = path_segments(path);
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (segments[i] == "interactions") return segments.size() - i;
  }
  return 0;
}

Match matches(const RequestHead& head) {
  const auto found = depth(head.path);
  if (found == 0) return Match::kNo;
  if (host_of(head.authority).ends_with("googleapis.com")) return Match::kYes;
  return found == 1 && head.method == "POST" ? Match::kIfBody : Match::kNo;
}

bool confirms(const RequestHead& head, const Json& body) {
  return depth(head.path) == 1 && body["input"].exists() &&
         (body["agent"].is_string() || body["model"].is_string());
}

Part read_content(const Json& block) {
  const auto type = block["type"].string().value_or("text");
  if (const auto text = block["text"].string()) return text_part(type, *text);
  if (const auto data = block["data"].string()) {
    const PartKind kind = type == "image"   ? PartKind::kImage
                          : type == "audio" ? PartKind::kAudio
                          : type == "video" ? PartKind::kVideo
                                            : PartKind::kFile;
    return media_from_base64(kind, type, block["mime_type"].string().value_or(""), *data);
  }
  Part part;
  part.kind = PartKind::kOther;
  part.wire_type = type;
  part.raw = dump_without_media(block);
  part.reference = block["uri"].str();
  return part;
}

Part read_step_part(std::string_view type, const Json& step) {
  Part part;
  part.wire_type = type;
  if (type == "function_call") {
    part.kind = PartKind::kToolCall;
    part.tool_name = step["name"].str();
    part.tool_id = step["id"].str();
    part.arguments = step["arguments"].dump();
  } else if (type == "function_result") {
    part.kind = PartKind::kToolResult;
    part.tool_name = step["name"].str();
    part.tool_id = step["call_id"].str();
    part.text = step["result"].is_string() ? step["result"].str() : step["result"].dump();
  } else {
    part.kind = PartKind::kOther;
    part.raw = dump_without_media(step);
  }
  return part;
}

Message read_step(const Json& step) {
  const auto type = step["type"].string().value_or("");
  Message message;
  message.role = step["role"].exists()                               ? step["role"].str()
                 : type == "user_input" || type == "function_result" ? "user"
                                                                     : "model";
  if (type == "thought") {
    Part part;
    part.kind = PartKind::kReasoning;
    part.wire_type = type;
    for (const auto block : step["summary"].elements()) part.text += block["text"].str();
    message.parts.push_back(std::move(part));
  } else if (type == "model_output" || type == "user_input" || step["content"].exists()) {
    const Json content = step["content"];
    if (content.is_string()) message.parts.push_back(text_part("text", *content.string()));
    for (const auto block : content.elements()) message.parts.push_back(read_content(block));
  } else {
    message.parts.push_back(read_step_part(type, step));
  }
  return message;
}

void read_usage(const Json& usage, CallRecord& call) {
  if (!usage.is_object()) return;
  Usage out;
  out.cache_read = usage["total_cached_tokens"].count();
  if (const auto input = usage["total_input_tokens"].count()) {
    const auto cached = out.cache_read.value_or(0);
    out.input_uncached = *input >= cached ? *input - cached : *input;
  }
  out.output_visible = usage["total_output_tokens"].count();
  out.reasoning = usage["total_thought_tokens"].count();
  out.tool_prompt = usage["total_tool_use_tokens"].count();
  out.total_reported = usage["total_tokens"].count();
  call.usage = out;
}

class InteractionsParser final : public CallParser {
 public:
  void request(const RequestHead& head, const RequestBody& body, CallRecord& call) override;
  Step event(const BodyEvent& event, const Json& json, CallRecord& call) override;

 private:
  void interaction(const Json& interaction, CallRecord& call);
  void delta(const Json& event, TimeNs ts_ns, CallRecord& call);
  Message& step(const Json& event, CallRecord& call);

  std::map<std::int64_t, std::size_t> steps_;  // index → call.output
};

void InteractionsParser::request(const RequestHead& head, const RequestBody& body,
                                 CallRecord& call) {
  const Json& json = body.json;
  const bool create = depth(head.path) == 1 && head.method == "POST";
  call.operation = !create                     ? Operation::kManagement
                   : json["agent"].is_string() ? Operation::kAgent
                                               : Operation::kChat;
  if (const auto model = json["model"].string()) call.model_requested = std::string(*model);
  call.streamed = json["stream"].boolean().value_or(false);
  for (const auto [name, value] : json["generation_config"].members()) {
    add_param(call, name, value.dump());
  }
  read_params(json, kParams, call);
  if (const auto system = json["system_instruction"].string()) {
    call.input.push_back({"system", {text_part("text", *system)}, {}, {}});
  }
  const Json input = json["input"];
  if (const auto text = input.string()) {
    call.input.push_back({"user", {text_part("text", *text)}, {}, {}});
  }
  Message user{"user", {}, {}, {}};  // bare content blocks are one message
  for (const auto item : input.elements()) {
    const bool turn = item["role"].exists() || item["content"].exists() ||
                      item["type"].string().value_or("").starts_with("function_");
    if (turn) {
      call.input.push_back(read_step(item));
    } else {
      user.parts.push_back(read_content(item));
    }
  }
  if (!user.parts.empty()) call.input.push_back(std::move(user));
  for (const auto tool : json["tools"].elements()) {
    call.tools.push_back({tool["name"].str(), tool["description"].str(), tool["parameters"].dump(),
                          tool["type"].str(), false});
  }
}

Message& InteractionsParser::step(const Json& event, CallRecord& call) {
  const auto index = event["index"].integer().value_or(0);
  const auto found = steps_.find(index);
  if (found != steps_.end()) return call.output[found->second];
  if (steps_.size() >= kMaxSteps) return call.output.back();
  steps_[index] = call.output.size();
  call.output.emplace_back().role = "model";
  return call.output.back();
}

void InteractionsParser::delta(const Json& event, TimeNs ts_ns, CallRecord& call) {
  const Json delta = event["delta"];
  const auto type = delta["type"].string().value_or("");
  const bool thought = type == "thought_summary";
  const auto text = thought ? delta["content"]["text"].string() : delta["text"].string();
  Message& message = step(event, call);
  if (text && !text->empty()) {
    const PartKind kind = thought ? PartKind::kReasoning : PartKind::kText;
    if (message.parts.empty() || message.parts.back().kind != kind) {
      message.parts.push_back(text_part(thought ? "thought" : type, {}));
      message.parts.back().kind = kind;
    }
    message.parts.back().text += *text;
  } else if (type == "arguments_delta" && !message.parts.empty()) {
    message.parts.back().arguments += delta["arguments"].str();
  } else if (delta["data"].is_string()) {
    message.parts.push_back(read_content(delta));
  } else if (type == "function_call") {
    message.parts.push_back(read_step_part(type, delta));
  } else {
    return;  // signatures
  }
  mark_token(call, ts_ns);
}

void InteractionsParser::interaction(const Json& json, CallRecord& call) {
  if (const auto id = json["id"].string()) call.response_id = *id;
  for (const auto key : {"model", "agent"}) {
    if (const auto model = json[key].string()) {
      call.model_served = std::string(*model);
      break;
    }
  }
  if (const auto status = json["status"].string()) call.finish_reason = std::string(*status);
  read_usage(json["usage"], call);
  if (json["error"].is_object()) read_google_error(json["error"], call);
  const Json steps = json["steps"].is_array() ? json["steps"] : json["outputs"];
  if (steps.size() == 0) return;
  call.output.clear();
  steps_.clear();
  for (const auto item : steps.elements()) {
    const auto type = item["type"].string().value_or("");
    if (type != "user_input") call.output.push_back(read_step(item));
  }
}

Step InteractionsParser::event(const BodyEvent& event, const Json& json, CallRecord& call) {
  if (event.data == "[DONE]") return Step::kCallDone;
  const auto type = json["event_type"].string().value_or("");
  read_usage(json["metadata"]["usage"], call);
  if (type == "step.start") {
    const Json begun = json["step"];
    Message& message = step(json, call);
    // Thoughts and text come as deltas, calls begin with their name.
    if (begun["name"].exists() || begun["content"].exists()) message = read_step(begun);
  } else if (type == "step.delta") {
    delta(json, event.ts_ns, call);
  } else if (json["interaction"].is_object()) {
    interaction(json["interaction"], call);
  } else if (type == "error" || (json["error"].is_object() && !json["id"].exists())) {
    read_google_error(json["error"], call);
  } else if (type.empty()) {
    interaction(json, call);
  }
  return Step::kContinue;
}

}  // namespace

extern const Provider kGeminiInteractions;
const Provider kGeminiInteractions = {"gemini_interactions", matches, confirms, [] {
                                        return std::unique_ptr<CallParser>(new InteractionsParser);
                                      }};

}  // namespace llmtap
