// SPDX-License-Identifier: Apache-2.0
//
// Images, audio and moderation of the OpenAI dialect.
// https://platform.openai.com/docs/api-reference/images, /audio, /moderations
//
//   POST {prefix}/images/generations | edits | variations      JSON or form → data[].b64_json | url
//   POST {prefix}/audio/speech                                 JSON → audio bytes, or SSE
//   POST {prefix}/audio/transcriptions | translations          form → {"text"}, plain text, or SSE
//   POST {prefix}/moderations                                  JSON → results[].flagged
//
// Quirks: parameters come as form fields beside files, whose bytes are only counted. Streams name
// their events `image_generation.partial_image`, `speech.audio.delta`, `transcript.text.delta`.
#include "parsers/providers/common.h"
#include "parsers/providers/openai_common.h"

namespace llmtap {
namespace {

constexpr std::string_view kParams[] = {"background",
                                        "chunking_strategy",
                                        "include",
                                        "input_fidelity",
                                        "instructions",
                                        "language",
                                        "moderation",
                                        "n",
                                        "output_compression",
                                        "output_format",
                                        "partial_images",
                                        "quality",
                                        "response_format",
                                        "size",
                                        "speed",
                                        "stream",
                                        "stream_format",
                                        "style",
                                        "temperature",
                                        "timestamp_granularities[]",
                                        "user",
                                        "voice"};

struct Endpoint {
  std::string_view suffix;
  Operation operation;
};
constexpr Endpoint kEndpoints[] = {
    {"/images/generations", Operation::kImage},
    {"/images/edits", Operation::kImage},
    {"/images/variations", Operation::kImage},
    {"/audio/speech", Operation::kSpeech},
    {"/audio/transcriptions", Operation::kTranscription},
    {"/audio/translations", Operation::kTranslation},
    {"/moderations", Operation::kModeration},
};

const Endpoint* endpoint_of(const RequestHead& head) {
  if (head.method != "POST" && !head.method.empty()) return nullptr;
  for (const auto& endpoint : kEndpoints) {
    if (path_ends(head.path, endpoint.suffix)) return &endpoint;
  }
  return nullptr;
}

Match matches(const RequestHead& head) {
  return endpoint_of(head) != nullptr ? Match::kYes : Match::kNo;
}

PartKind kind_of(std::string_view media_type) {
  if (media_type.starts_with("image/")) return PartKind::kImage;
  if (media_type.starts_with("audio/")) return PartKind::kAudio;
  if (media_type.starts_with("video/")) return PartKind::kVideo;
  return PartKind::kFile;
}

class MediaParser final : public CallParser {
 public:
  void request(const RequestHead& head, const RequestBody& body, CallRecord& call) override {
    if (const auto* endpoint = endpoint_of(head)) call.operation = endpoint->operation;
    call.model_requested = requested_model(head, body.json);
    call.streamed = body.json["stream"].boolean().value_or(false);
    read_params(body.json, kParams, call);
    Message message;
    message.role = "user";
    for (const auto key : {"prompt", "input"}) read_input(body.json[key], message);
    for (const auto& field : body.fields) read_field(field, message, call);
    if (!message.parts.empty()) call.input.push_back(std::move(message));
    read_openai_identity(body.json, call);
  }

  Step event(const BodyEvent& event, const Json& json, CallRecord& call) override {
    if (event.data == "[DONE]") return Step::kCallDone;
    if (event.skipped > 0 || (!json.exists() && call.operation == Operation::kSpeech)) {
      audio_bytes(event, call);
      return Step::kContinue;
    }
    if (!json.is_object()) {  // srt, vtt, text; or an error that is no JSON
      if (call.http_status.value_or(200) >= 400) {
        apply_error_text(event.data, call);
      } else {
        text(call).text += event.data;
      }
      return Step::kContinue;
    }
    apply_openai_usage(json, call);
    apply_openai_error(json, call);
    if (const auto model = json["model"].string()) call.model_served = std::string(*model);
    if (call.response_id.empty()) call.response_id = json["id"].str();
    const auto type = json["type"].string().value_or("");
    if (!type.empty() && type != "error") return stream_event(type, json, event.ts_ns, call);
    if (const auto whole = json["text"].string()) text(call).text = *whole;
    for (const auto image : json["data"].elements()) read_image(image, call);
    if (json["results"].is_array()) read_moderation(json["results"], call);
    return Step::kContinue;
  }

 private:
  static void read_input(const Json& input, Message& message) {
    if (const auto text = input.string()) message.parts.push_back(text_part("", *text));
    for (const auto one : input.elements()) {
      if (const auto text = one.string()) {
        message.parts.push_back(text_part("", *text));
      } else {
        read_openai_content(one, message);
      }
    }
  }

  static void read_field(const BodyEvent& field, Message& message, CallRecord& call) {
    if (!field.file_name.empty() || field.skipped > 0) {
      Part part;
      part.kind = kind_of(field.media_type);
      if (part.kind == PartKind::kFile && field.name == "file") part.kind = PartKind::kAudio;
      if (part.kind == PartKind::kFile) part.kind = PartKind::kImage;
      part.wire_type = field.name;
      part.media_type = field.media_type;
      part.reference = field.file_name;
      part.bytes = field.skipped + field.data.size();
      message.parts.push_back(std::move(part));
    } else if (field.name == "model") {
      call.model_requested = std::string(field.data);
    } else if (field.name == "prompt") {
      message.parts.push_back(text_part("", field.data));
    } else {
      if (field.name == "stream") call.streamed = field.data == "true";
      for (const auto name : kParams) {
        if (field.name == name) add_param(call, name, quote_json(field.data));
      }
    }
  }

  static Message& output(CallRecord& call) {
    if (call.output.empty()) call.output.push_back({"assistant", {}, std::nullopt, {}});
    return call.output.front();
  }

  // The one part of a kind in the answer, made at first use.
  static Part& part(PartKind kind, CallRecord& call) {
    auto& parts = output(call).parts;
    for (auto& one : parts) {
      if (one.kind == kind) return one;
    }
    parts.emplace_back();
    parts.back().kind = kind;
    return parts.back();
  }
  static Part& text(CallRecord& call) { return part(PartKind::kText, call); }

  static void audio_bytes(const BodyEvent& event, CallRecord& call) {
    Part& audio = part(PartKind::kAudio, call);
    if (audio.media_type.empty()) audio.media_type = event.media_type;
    audio.bytes = audio.bytes.value_or(0) + event.skipped + event.data.size();
  }

  static void read_image(const Json& image, CallRecord& call) {
    Part out = media_from_url(PartKind::kImage, "", image["url"].string().value_or(""));
    if (const auto data = image["b64_json"].string()) out.bytes = base64_size(*data);
    out.text = image["revised_prompt"].str();
    output(call).parts.push_back(std::move(out));
  }

  static void read_moderation(const Json& results, CallRecord& call) {
    for (const auto result : results.elements()) {
      Message message;
      message.role = "assistant";
      Part verdict = text_part("", result["flagged"].boolean().value_or(false) ? "flagged" : "ok");
      verdict.raw = result.dump();
      message.parts.push_back(std::move(verdict));
      call.output.push_back(std::move(message));
    }
  }

  static Step stream_event(std::string_view type, const Json& json, TimeNs ts_ns,
                           CallRecord& call) {
    call.streamed = true;
    if (type == "transcript.text.delta") {
      text(call).text += json["delta"].string().value_or("");
      mark_token(call, ts_ns);
    } else if (type == "transcript.text.done") {
      text(call).text = json["text"].str();
    } else if (type == "speech.audio.delta") {
      Part& audio = part(PartKind::kAudio, call);
      audio.bytes = audio.bytes.value_or(0) + base64_size(json["audio"].string().value_or(""));
      mark_token(call, ts_ns);
    } else if (type.ends_with(".partial_image")) {
      mark_token(call, ts_ns);
    } else if (type == "image_generation.completed" || type == "image_edit.completed") {
      read_image(json, call);
      mark_token(call, ts_ns);
    }
    return Step::kContinue;
  }
};

}  // namespace

extern const Provider kOpenAiMedia;
const Provider kOpenAiMedia = {"openai_media", matches, nullptr,
                               [] { return std::unique_ptr<CallParser>(new MediaParser); }};

}  // namespace llmtap
