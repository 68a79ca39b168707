// SPDX-License-Identifier: Apache-2.0
//
// Replicate: POST /v1/predictions and /v1/models/{owner}/{name}/predictions start a prediction, its
// answer is polled or streamed from another host (GET /v1/streams/{id}).
// https://replicate.com/docs/reference/http
//
//   {"version": "ac73...", "input": {"prompt": "robots"}}   201 {"id", "model", "status":
//   "starting"} event: output / data: Sure / event: done / data: {}
//
// Quirks: with `Prefer: wait` the first answer already has `output`; SSE data is plain text; the
// stream's request says nothing about model or prompt. Polling is management.
#include "parsers/providers/common.h"
#include "parsers/providers/openai_common.h"

namespace llmtap {
namespace {

bool is_stream(const RequestHead& head) {
  return head.method == "GET" && head.path.find("/v1/streams/") != std::string::npos &&
         host_of(head.authority).find("replicate") != std::string_view::npos;
}

Match matches(const RequestHead& head) {
  if (is_stream(head)) return Match::kYes;
  if (head.method != "POST") return Match::kNo;
  return path_ends(head.path, "/predictions") ? Match::kIfBody : Match::kNo;
}

bool confirms(const RequestHead& head, const Json& body) {
  return head.method == "POST" && path_ends(head.path, "/predictions") && body["input"].is_object();
}

class ReplicateParser final : public CallParser {
 public:
  void request(const RequestHead& head, const RequestBody& body, CallRecord& call) override {
    call.operation = Operation::kOther;
    call.streamed = is_stream(head);
    const auto segments = path_segments(head.path);
    for (std::size_t i = 0; i + 3 < segments.size(); ++i) {
      if (segments[i] != "models") continue;
      call.model_requested = std::string(segments[i + 1]) + "/" + std::string(segments[i + 2]);
    }
    if (const auto version = body.json["version"].string(); version && !call.model_requested) {
      call.model_requested = std::string(*version);
    }
    Message message;
    message.role = "user";
    for (const auto& [name, value] : body.json["input"].members()) {
      if (name == "prompt") {
        message.parts.push_back(text_part("text", value.string().value_or("")));
      } else if (value.string().value_or("").starts_with("data:")) {
        Part media = media_from_url(PartKind::kFile, name, *value.string());
        if (media.media_type.starts_with("image/")) media.kind = PartKind::kImage;
        if (media.media_type.starts_with("audio/")) media.kind = PartKind::kAudio;
        if (media.media_type.starts_with("video/")) media.kind = PartKind::kVideo;
        message.parts.push_back(std::move(media));
      } else {
        add_param(call, name, dump_without_media(value));
      }
    }
    if (!message.parts.empty()) call.input.push_back(std::move(message));
  }

  Step event(const BodyEvent& event, const Json& json, CallRecord& call) override {
    if (event.name == "output") {
      answer_text(call) += event.data;
      mark_token(call, event.ts_ns);
      return Step::kContinue;
    }
    if (event.name == "done") return Step::kCallDone;
    if (event.name == "error" || !json.is_object()) {
      apply_error_text(event.data, call);
      return Step::kContinue;
    }
    call.response_id = json["id"].str();
    if (const auto model = json["model"].string()) call.model_served = std::string(*model);
    if (const auto status = json["status"].string()) call.finish_reason = std::string(*status);
    call.usage.seconds = json["metrics"]["predict_time"].number();
    if (json["error"].is_string() || json["detail"].is_string()) {
      apply_error_text((json["error"] ? json["error"] : json["detail"]).str(), call);
    }
    output(json["output"], call);
    return Step::kContinue;
  }

 private:
  static void output(const Json& value, CallRecord& call) {
    if (const auto whole = value.string()) answer_text(call) += *whole;
    for (const auto piece : value.elements()) answer_text(call) += piece.string().value_or("");
  }
};

}  // namespace

extern const Provider kReplicate;
const Provider kReplicate = {"replicate", matches, confirms,
                             [] { return std::unique_ptr<CallParser>(new ReplicateParser); }};

}  // namespace llmtap
