// SPDX-License-Identifier: Apache-2.0
//
// OpenAI Realtime: a WebSocket at {prefix}/realtime?model=..., also Azure, Voice Live and xAI.
// https://platform.openai.com/docs/api-reference/realtime
//
//   client  {"type": "session.update", "session": {"instructions": "...", "tools": [...]}}
//   client  {"type": "response.create"}           (or the server begins by voice activity)
//   server  {"type": "response.output_audio_transcript.delta", "output_index": 0, "delta": "he"}
//   server  {"type": "response.done", "response": {"id", "status", "output": [...], "usage": {}}}
//
// Quirks: one call per response.done; its input is what the conversation got since the last one;
// audio is counted and not kept, its transcript may come late; rate limits are an event; beta
// names (response.audio.delta, conversation.item.created) still occur. A transcription session has
// no responses: each finished transcript is a call.
#include <algorithm>
#include <utility>
#include <vector>

#include "parsers/providers/common.h"
#include "parsers/providers/openai_common.h"
#include "parsers/providers/openai_item_stream.h"
#include "parsers/providers/openai_items.h"
#include "parsers/providers/provider.h"

namespace llmtap {
namespace {

constexpr std::size_t kMaxPending = 1024;  // items that wait for the next response
constexpr std::string_view kParams[] = {"audio",
                                        "input_audio_format",
                                        "max_output_tokens",
                                        "max_response_output_tokens",
                                        "modalities",
                                        "output_audio_format",
                                        "output_modalities",
                                        "prompt",
                                        "reasoning",
                                        "temperature",
                                        "tool_choice",
                                        "truncation",
                                        "turn_detection",
                                        "voice"};

Match matches(const RequestHead& head) {
  const auto segments = path_segments(head.path);
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (segments[i] == "realtime" && segments.size() - i <= 3) return Match::kYes;
  }
  return Match::kNo;
}

// The first messages of a socket under an unknown path.
bool confirms(const RequestHead&, const Json& body) {
  const auto type = body["type"].string().value_or("");
  if (type == "response.create") return body.size() <= 3 && !body["input"] && !body["model"];
  return (type == "session.update" && body["session"].is_object()) ||
         type == "transcription_session.update" || type == "input_audio_buffer.append" ||
         (type == "conversation.item.create" && body["item"].is_object());
}

std::string query_value(std::string_view path, std::string_view name) {
  auto at = path.find('?');
  while (at != std::string_view::npos) {
    path.remove_prefix(at + 1);
    const auto end = path.find('&');
    const auto pair = path.substr(0, end);
    if (pair.starts_with(name) && pair.size() > name.size() && pair[name.size()] == '=') {
      return percent_decoded(pair.substr(name.size() + 1));
    }
    at = end;
  }
  return {};
}

class RealtimeParser final : public CallParser {
 public:
  void request(const RequestHead& head, const RequestBody& body, CallRecord& call) override;
  Step event(const BodyEvent& event, const Json& json, CallRecord& call) override;
  bool client_event(const BodyEvent& event, const Json& json, CallRecord& call) override;
  void finish(CallRecord& call) override {
    if (asked_ || prepared_) prepare(call);
  }
  void next(CallRecord& call) override;

 private:
  void session(const Json& session);
  void item(const Json& item);
  void transcript(const Json& json, CallRecord& call);
  void prepare(CallRecord& call);
  Step transcribed(const Json& json, CallRecord& call);
  Step done(const Json& response, CallRecord& call);
  Step error(const Json& json, CallRecord& call);
  void limits(const Json& list);

  // What the session knows; goes into every call.
  CallRecord session_;
  bool transcription_ = false;
  std::vector<Message> pending_;   // items since the last response
  std::uint64_t audio_bytes_ = 0;  // appended and not yet part of an item
  ItemStream stream_;
  bool prepared_ = false;
  bool asked_ = false;  // by a response.create that nothing has answered
};

void RealtimeParser::request(const RequestHead& head, const RequestBody&, CallRecord& call) {
  call.operation = Operation::kManagement;  // the HTTP endpoints beside: calls, client_secrets
  auto model = query_value(head.path, "model");
  if (model.empty()) model = query_value(head.path, "deployment");
  if (!model.empty()) session_.model_requested = model;
  transcription_ = query_value(head.path, "intent") == "transcription";
}

void RealtimeParser::session(const Json& session) {
  if (const auto id = session["id"].string()) session_.session_id = *id;
  if (const auto model = session["model"].string()) session_.model_served = std::string(*model);
  if (const auto type = session["type"].string()) transcription_ = *type == "transcription";
  if (const auto text = session["instructions"].string()) {
    session_.input.assign(1, {"system", {text_part("", *text)}, {}, {}});
  }
  if (session["tools"].is_array()) {
    session_.tools.clear();
    read_openai_tools(session, session_);
  }
  for (const auto [name, value] : session.members()) {
    std::erase_if(session_.params, [&](const Param& param) { return param.name == name; });
  }
  read_params(session, kParams, session_);
}

void RealtimeParser::item(const Json& json) {
  if (json["role"].string() == "assistant" || json["type"].string() == "function_call") return;
  const std::string id = json["id"].str();
  for (const auto& known : pending_) {
    if (!id.empty() && known.id == id) return;  // `added` and `done` of one item
  }
  if (pending_.size() >= kMaxPending) return;
  Message read = read_openai_item(json);
  for (auto& part : read.parts) {
    if (part.kind != PartKind::kAudio || part.bytes || audio_bytes_ == 0) continue;
    part.bytes = std::exchange(audio_bytes_, 0);
  }
  pending_.push_back(std::move(read));
}

// What the user said, in words; the call may have begun meanwhile.
void RealtimeParser::transcript(const Json& json, CallRecord& call) {
  const auto id = json["item_id"].string().value_or("");
  for (auto* list : {&pending_, &call.input}) {
    for (auto& message : *list) {
      if (id.empty() || message.id != id) continue;
      for (auto& part : message.parts) {
        if (part.kind == PartKind::kAudio) part.text = json["transcript"].str();
      }
    }
  }
}

// Everything that the session says about the call that begins.
void RealtimeParser::prepare(CallRecord& call) {
  if (!prepared_) {
    prepared_ = true;
    call.operation = Operation::kChat;
    call.streamed = true;
    call.model_requested = session_.model_requested;
    call.model_served = session_.model_served;
    call.session_id = session_.session_id;
    call.tools.insert(call.tools.end(), session_.tools.begin(), session_.tools.end());
    for (const auto& param : session_.params) {
      const auto same = [&](const Param& own) { return own.name == param.name; };
      if (std::none_of(call.params.begin(), call.params.end(), same)) call.params.push_back(param);
    }
    call.input.insert(call.input.begin(), session_.input.begin(), session_.input.end());
  }
  call.input.insert(call.input.end(), pending_.begin(), pending_.end());
  pending_.clear();
  if (!session_.rate_limits.empty()) call.rate_limits = session_.rate_limits;
}

void RealtimeParser::next(CallRecord& call) {
  stream_ = ItemStream{};
  prepared_ = false;
  asked_ = false;
  call.operation = Operation::kChat;
}

bool RealtimeParser::client_event(const BodyEvent&, const Json& json, CallRecord& call) {
  const auto type = json["type"].string().value_or("");
  if (type == "input_audio_buffer.append") {
    audio_bytes_ += base64_size(json["audio"].string().value_or(""));
  } else if (type == "session.update") {
    session(json["session"]);
  }
  if (type != "response.create") return false;
  const Json response = json["response"];
  read_params(response, kParams, call);
  if (const auto text = response["instructions"].string()) {
    call.input.push_back({"system", {text_part("", *text)}, {}, {}});
  }
  read_openai_tools(response, call);
  for (const auto given : response["input"].elements()) {
    call.input.push_back(read_openai_item(given));
  }
  asked_ = true;
  call.operation = Operation::kChat;
  return true;
}

void RealtimeParser::limits(const Json& list) {
  session_.rate_limits.clear();
  for (const auto entry : list.elements()) {
    session_.rate_limits.push_back({entry["name"].str(), entry["limit"].number(),
                                    entry["remaining"].number(), entry["reset_seconds"].number()});
  }
}

Step RealtimeParser::transcribed(const Json& json, CallRecord& call) {
  transcript(json, call);
  if (!transcription_) return Step::kContinue;
  prepare(call);
  call.operation = Operation::kTranscription;
  call.output.push_back(
      {"assistant", {text_part("transcript", json["transcript"].string().value_or(""))}, {}, {}});
  apply_openai_usage(json, call);
  return Step::kCallDone;
}

Step RealtimeParser::done(const Json& response, CallRecord& call) {
  prepare(call);
  asked_ = false;
  call.response_id = response["id"].str();
  // The last event has the transcripts, the deltas had the bytes.
  std::vector<std::uint64_t> audio;
  for (const auto& message : call.output) {
    for (const auto& part : message.parts) {
      if (part.kind == PartKind::kAudio) audio.push_back(part.bytes.value_or(0));
    }
  }
  stream_.replace(response["output"], call);
  std::size_t at = 0;
  for (auto& message : call.output) {
    for (auto& part : message.parts) {
      if (part.kind != PartKind::kAudio || at >= audio.size()) continue;
      if (audio[at] > 0) part.bytes = audio[at];
      ++at;
    }
  }
  apply_openai_usage(response, call);
  const Json details = response["status_details"];
  auto reason = details["reason"].string();
  if (!reason) reason = response["status"].string();
  if (reason) call.finish_reason = std::string(*reason);
  if (details["error"].is_object()) {
    const Json inner = details["error"];
    call.error = CallError{inner["type"].str(), inner["code"].str(), inner["message"].str(),
                           details.dump(), true};
  }
  return Step::kCallDone;
}

// Most errors leave the session and the running response as they are; one that answers a
// response.create ends the call that it asked for.
Step RealtimeParser::error(const Json& json, CallRecord& call) {
  if (!asked_) return Step::kContinue;
  const Json inner = json["error"];
  prepare(call);
  call.error = CallError{inner["type"].str(), inner["code"].str(), inner["message"].str(),
                         inner.dump(), true};
  return Step::kCallDone;
}

Step RealtimeParser::event(const BodyEvent& event, const Json& json, CallRecord& call) {
  const auto type = json["type"].string().value_or("");
  if (type == "session.created" || type == "session.updated" ||
      type == "transcription_session.created" || type == "transcription_session.updated") {
    if (type.starts_with("transcription")) transcription_ = true;
    session(json["session"]);
  } else if (type == "conversation.item.added" || type == "conversation.item.created" ||
             type == "conversation.item.done") {
    item(json["item"]);
  } else if (type == "conversation.item.input_audio_transcription.completed") {
    return transcribed(json, call);
  } else if (type == "rate_limits.updated") {
    limits(json["rate_limits"]);
    call.rate_limits = session_.rate_limits;
  } else if (type == "response.created") {
    asked_ = false;
    prepare(call);
    call.response_id = json["response"]["id"].str();
  } else if (type == "response.done") {
    return done(json["response"], call);
  } else if (type == "error") {
    return error(json, call);
  } else if (type.starts_with("response.")) {
    prepare(call);
    stream_.event(type.substr(9), json, event.ts_ns, call);
  }
  return Step::kContinue;
}

}  // namespace

extern const Provider kOpenAiRealtime;
const Provider kOpenAiRealtime = {"openai_realtime", matches, confirms,
                                  [] { return std::unique_ptr<CallParser>(new RealtimeParser); }};

}  // namespace llmtap
