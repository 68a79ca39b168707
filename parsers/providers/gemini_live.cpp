// SPDX-License-Identifier: Apache-2.0
//
// Gemini Live: a WebSocket at ...GenerativeService.BidiGenerateContent (Vertex:
// ...LlmBidiService/BidiGenerateContent).
// https://ai.google.dev/api/live
//
//   client  {"setup": {"model": "models/gemini-...", "tools": [...]}}
//   client  {"clientContent": {"turns": [...], "turnComplete": true}} | {"realtimeInput": {...}}
//   server  {"serverContent": {"modelTurn": {"parts": [...]}, "turnComplete": true},
//            "usageMetadata": {...}}
//
// Quirks: messages are often binary frames that hold JSON; one call per model turn, which ends with
// turnComplete or with a toolCall that waits for the caller; audio is counted and not kept.
#include <utility>
#include <vector>

#include "parsers/providers/common.h"
#include "parsers/providers/gemini_common.h"
#include "parsers/providers/provider.h"

namespace llmtap {
namespace {

constexpr std::size_t kMaxPending = 1024;

Match matches(const RequestHead& head) {
  return bare_path(head.path).ends_with("BidiGenerateContent") ? Match::kYes : Match::kNo;
}

bool confirms(const RequestHead&, const Json& body) {
  return body["setup"]["model"].string().value_or("").starts_with("models/");
}

class LiveParser final : public CallParser {
 public:
  void request(const RequestHead&, const RequestBody&, CallRecord&) override {}
  Step event(const BodyEvent& event, const Json& json, CallRecord& call) override;
  bool client_event(const BodyEvent& event, const Json& json, CallRecord& call) override;
  void next(CallRecord&) override { prepared_ = false; }

 private:
  void setup(const Json& setup);
  void prepare(CallRecord& call);
  void content(const Json& content, TimeNs ts_ns, CallRecord& call);
  void append(Part part, CallRecord& call);

  CallRecord session_;  // goes into every call
  std::vector<Message> pending_;
  std::uint64_t audio_bytes_ = 0;
  bool prepared_ = false;
};

void LiveParser::setup(const Json& setup) {
  auto model = setup["model"].string().value_or("");
  model = model.substr(model.rfind('/') + 1);
  if (!model.empty()) session_.model_requested = std::string(model);
  for (const auto [name, value] : google_member(setup, "generationConfig").members()) {
    add_param(session_, name, value.dump());
  }
  if (const Json system = google_member(setup, "systemInstruction")) {
    session_.input.push_back(read_google_content(system, "system"));
  }
  read_google_tools(setup, session_);
}

void LiveParser::prepare(CallRecord& call) {
  if (!prepared_) {
    prepared_ = true;
    call.operation = Operation::kChat;
    call.streamed = true;
    call.model_requested = session_.model_requested;
    call.params = session_.params;
    call.tools = session_.tools;
    call.input = session_.input;
  }
  if (audio_bytes_ > 0) {
    Part part;
    part.kind = PartKind::kAudio;
    part.wire_type = "realtimeInput";
    part.bytes = std::exchange(audio_bytes_, 0);
    pending_.push_back({"user", {std::move(part)}, {}, {}});
  }
  call.input.insert(call.input.end(), pending_.begin(), pending_.end());
  pending_.clear();
}

bool LiveParser::client_event(const BodyEvent&, const Json& json, CallRecord& call) {
  if (const Json given = json["setup"]) setup(given);
  const Json input = google_member(json, "realtimeInput");
  for (const auto key : {"audio", "video"}) {
    audio_bytes_ += base64_size(input[key]["data"].string().value_or(""));
  }
  for (const auto chunk : google_member(input, "mediaChunks").elements()) {
    audio_bytes_ += base64_size(chunk["data"].string().value_or(""));
  }
  const auto keep = [&](Message message) {
    if (pending_.size() < kMaxPending) pending_.push_back(std::move(message));
  };
  if (const auto text = input["text"].string()) keep({"user", {text_part("text", *text)}, {}, {}});
  const Json turns = google_member(json, "clientContent");
  for (const auto turn : turns["turns"].elements()) keep(read_google_content(turn, "user"));
  Message results{"user", {}, {}, {}};
  const Json answer = google_member(json, "toolResponse");
  for (const auto response : google_member(answer, "functionResponses").elements()) {
    Part part;
    part.kind = PartKind::kToolResult;
    part.wire_type = "functionResponse";
    part.tool_name = response["name"].str();
    part.tool_id = response["id"].str();
    part.text = response["response"].dump();
    results.parts.push_back(std::move(part));
  }
  const bool asks = !results.parts.empty() || input["text"].exists() ||
                    google_member(turns, "turnComplete").boolean().value_or(false);
  if (!results.parts.empty()) keep(std::move(results));
  if (asks) prepare(call);
  return asks;
}

void LiveParser::append(Part part, CallRecord& call) {
  if (call.output.empty()) call.output.emplace_back().role = "model";
  auto& parts = call.output.back().parts;
  if (!parts.empty() && parts.back().kind == part.kind && part.kind != PartKind::kToolCall) {
    parts.back().text += part.text;
    if (part.bytes) parts.back().bytes = parts.back().bytes.value_or(0) + *part.bytes;
    return;
  }
  parts.push_back(std::move(part));
}

void LiveParser::content(const Json& content, TimeNs ts_ns, CallRecord& call) {
  const Json turn = google_member(content, "modelTurn");
  for (auto& part : read_google_content(turn, "model").parts) {
    append(std::move(part), call);
    mark_token(call, ts_ns);
  }
  if (const auto said = google_member(content, "outputTranscription")["text"].string()) {
    Part part;
    part.kind = PartKind::kAudio;
    part.text = *said;
    append(std::move(part), call);
  }
  if (const auto heard = google_member(content, "inputTranscription")["text"].string()) {
    for (auto& message : call.input) {
      for (auto& part : message.parts) {
        if (part.wire_type == "realtimeInput") part.text += *heard;
      }
    }
  }
  if (content["interrupted"].boolean().value_or(false)) call.finish_reason = "interrupted";
}

Step LiveParser::event(const BodyEvent& event, const Json& json, CallRecord& call) {
  read_google_usage(google_member(json, "usageMetadata"), call);
  const Json server = google_member(json, "serverContent");
  const Json calls = google_member(google_member(json, "toolCall"), "functionCalls");
  if (!server && !calls) return Step::kContinue;
  prepare(call);
  content(server, event.ts_ns, call);
  for (const auto function : calls.elements()) {
    Part part;
    part.kind = PartKind::kToolCall;
    part.wire_type = "functionCall";
    part.tool_name = function["name"].str();
    part.tool_id = function["id"].str();
    part.arguments = function["args"].dump();
    append(std::move(part), call);
    mark_token(call, event.ts_ns);
  }
  if (calls) {
    call.finish_reason = "tool_call";
    return Step::kCallDone;
  }
  if (!google_member(server, "turnComplete").boolean().value_or(false)) return Step::kContinue;
  if (!call.finish_reason) call.finish_reason = "turn_complete";
  return Step::kCallDone;
}

}  // namespace

extern const Provider kGeminiLive;
const Provider kGeminiLive = {"gemini_live", matches, confirms,
                              [] { return std::unique_ptr<CallParser>(new LiveParser); }};

}  // namespace llmtap
