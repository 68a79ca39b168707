// SPDX-License-Identifier: Apache-2.0
//
// Gemini: POST {prefix}/models/{model}:generateContent, :streamGenerateContent, :countTokens; the
// same methods on Vertex AI under projects/{p}/locations/{l}/publishers/google/models/{model}.
// https://ai.google.dev/api/generate-content
//
//   {"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "generationConfig": {...}}
//   {"candidates": [{"content": {"role": "model", "parts": [{"text": "he"}]}}],
//    "usageMetadata": {"promptTokenCount": 5}, "modelVersion": "gemini-2.5-flash"}
//
// Quirks: the model is in the path only; a stream is SSE without a terminator or, without alt=sse,
// one growing JSON array; every chunk repeats a cumulative usage; thoughts are outside of the
// candidates' tokens; a blocked prompt is a 200 without candidates. Google's own CLI wraps request
// and response once more ({"model", "request": {...}}, {"response": {...}}).
#include <cstdint>
#include <map>

#include "parsers/providers/common.h"
#include "parsers/providers/gemini_common.h"
#include "parsers/providers/provider.h"

namespace llmtap {
namespace {

constexpr std::size_t kMaxCandidates = 256;

Match matches(const RequestHead& head) {
  const auto method = google_method(head.path);
  if (method == "generateContent" || method == "streamGenerateContent" || method == "countTokens" ||
      method == "computeTokens" || method == "batchGenerateContent" || method == "generateAnswer") {
    return Match::kYes;
  }
  // Listings and stored content of the API itself.
  const auto host = host_of(head.authority);
  if (!host.starts_with("generativelanguage.")) return Match::kNo;
  const auto segments = path_segments(head.path);
  if (segments.size() < 2 || !method.empty()) return Match::kNo;
  const auto kind = segments[1];
  return kind == "models" || kind == "cachedContents" || kind == "files" || kind == "operations" ||
                 kind == "fileSearchStores" || kind == "tunedModels" || kind == "batches"
             ? Match::kYes
             : Match::kNo;
}

bool confirms(const RequestHead& head, const Json& body) {
  const Json first = body["contents"].at(0);
  return head.method == "POST" && first["parts"].is_array();
}

Operation operation_of(const RequestHead& head) {
  const auto method = google_method(head.path);
  if (method == "countTokens" || method == "computeTokens") return Operation::kCountTokens;
  if (method.empty() && head.method != "POST") return Operation::kManagement;
  const bool listed =
      method == "batchGenerateContent" ||
      (method.empty() && host_of(head.authority).starts_with("generativelanguage."));
  return listed ? Operation::kManagement : Operation::kChat;
}

// The members of the configuration are parameters of their own; the rest of the body follows.
void read_config(const Json& body, CallRecord& call) {
  constexpr std::string_view kOthers[] = {"safetySettings", "safety_settings", "toolConfig",
                                          "tool_config",    "cachedContent",   "cached_content",
                                          "labels",         "serviceTier",     "modelArmorConfig"};
  const Json config = google_member(body, "generationConfig");
  for (const auto [name, value] : config.members()) {
    add_param(call, name, dump_without_media(value));
  }
  read_params(body, kOthers, call);
  // SDKs without a configuration still send an empty object.
  const bool configured = config.size() > 0 || google_member(body, "safetySettings") ||
                          body["tools"] || google_member(body, "systemInstruction");
  if (configured) call.vendor.push_back({"google_config", "true"});
}

class GeminiParser final : public CallParser {
 public:
  void request(const RequestHead& head, const RequestBody& body, CallRecord& call) override;
  Step event(const BodyEvent& event, const Json& json, CallRecord& call) override;
  void finish(CallRecord& call) override;

 private:
  void candidate(const Json& candidate, std::size_t position, TimeNs ts_ns, CallRecord& call);
  bool append(Part part, Message& message);

  bool vertex_ = false;
  std::map<std::int64_t, std::size_t> candidates_;  // index → call.output
};

void GeminiParser::request(const RequestHead& head, const RequestBody& body, CallRecord& call) {
  call.operation = operation_of(head);
  call.model_requested = google_model(head.path);
  vertex_ = vertex_path(head.path);
  call.streamed = google_method(head.path) == "streamGenerateContent";
  const Json inner = body.json["request"].is_object() ? body.json["request"] : body.json;
  if (const auto model = body.json["model"].string(); model && !call.model_requested) {
    call.model_requested = std::string(*model);
  }
  call.session_id = inner["session_id"].str();
  read_config(inner, call);
  if (const Json system = google_member(inner, "systemInstruction")) {
    call.input.push_back(read_google_content(system, "system"));
  }
  const Json contents = inner["contents"];
  if (contents.is_object()) call.input.push_back(read_google_content(contents, "user"));
  for (const auto content : contents.elements()) {
    call.input.push_back(read_google_content(content, "user"));
  }
  read_google_tools(inner, call);
}

// Pieces of one text go together; returns true for content.
bool GeminiParser::append(Part part, Message& message) {
  const bool text = part.kind == PartKind::kText || part.kind == PartKind::kReasoning;
  const bool content = !text || !part.text.empty();
  if (text && !part.text.empty() && !message.parts.empty()) {
    Part& last = message.parts.back();
    if (last.kind == part.kind && !last.text.empty()) {
      last.text += part.text;
      return true;
    }
  }
  message.parts.push_back(std::move(part));
  return content;
}

void GeminiParser::candidate(const Json& candidate, std::size_t position, TimeNs ts_ns,
                             CallRecord& call) {
  const auto index = candidate["index"].integer().value_or(static_cast<std::int64_t>(position));
  if (candidates_.find(index) == candidates_.end()) {
    if (candidates_.size() >= kMaxCandidates) return;
    candidates_[index] = call.output.size();
    call.output.emplace_back();
  }
  Message& message = call.output[candidates_[index]];
  Message read = read_google_content(candidate["content"], "model");
  if (message.role.empty()) message.role = read.role;
  bool content = false;
  for (auto& part : read.parts) {
    if (call.streamed) {
      content = append(std::move(part), message) || content;
    } else {
      message.parts.push_back(std::move(part));
    }
  }
  if (content) mark_token(call, ts_ns);
  const auto reason = google_finish_reason(google_member(candidate, "finishReason"), vertex_);
  if (!reason.empty()) message.finish_reason = reason;
}

Step GeminiParser::event(const BodyEvent& event, const Json& json, CallRecord& call) {
  const Json root = json.is_array() ? json.at(0) : json;  // an error of the array form
  const Json answer = root["response"].is_object() ? root["response"] : root;
  if (!answer.is_object()) return Step::kContinue;
  if (answer["error"].is_object()) read_google_error(answer["error"], call);
  if (const auto model = google_member(answer, "modelVersion").string(); model && !model->empty()) {
    call.model_served = std::string(*model);
  }
  if (const auto id = google_member(answer, "responseId").string()) call.response_id = *id;
  read_google_usage(google_member(answer, "usageMetadata"), call);
  const Json feedback = google_member(answer, "promptFeedback");
  if (const auto blocked = google_block_reason(google_member(feedback, "blockReason"));
      !blocked.empty()) {
    call.finish_reason = blocked;
  }
  std::size_t position = 0;
  for (const auto choice : answer["candidates"].elements()) {
    candidate(choice, position++, event.ts_ns, call);
  }
  return Step::kContinue;
}

void GeminiParser::finish(CallRecord& call) {
  if (!call.output.empty() && call.output.front().finish_reason) {
    call.finish_reason = call.output.front().finish_reason;
  }
}

}  // namespace

extern const Provider kGemini;
const Provider kGemini = {"gemini", matches, confirms,
                          [] { return std::unique_ptr<CallParser>(new GeminiParser); }};

}  // namespace llmtap
