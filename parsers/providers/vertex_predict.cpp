// SPDX-License-Identifier: Apache-2.0
//
// Vertex AI prediction: POST .../publishers/google/models/{model}:predict (embeddings, Imagen, the
// older text and chat models; Imagen on the Gemini API as well) and
// .../publishers/{vendor}/models/{model}:rawPredict, :streamRawPredict (the vendor's own dialect:
// Anthropic's messages, else OpenAI's chat completions).
// https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
//
//   {"instances": [{"content": "hi", "task_type": "..."}], "parameters": {"outputDimensionality":
//   3}}
//   {"predictions": [{"embeddings": {"values": [...], "statistics": {"token_count": 4}}}],
//    "metadata": {"billableCharacterCount": 10}}
//
//   {"instances": [{"prompt": "hi"}]}  {"predictions": [{"content": "hello"}], "metadata":
//    {"tokenMetadata": {"inputTokenCount": {"totalTokens": 1}, "outputTokenCount": {...}}}}
//
// Quirks: :predict serves any deployed model, so only known instances are taken.
#include <memory>

#include "parsers/providers/anthropic_common.h"
#include "parsers/providers/common.h"
#include "parsers/providers/gemini_common.h"
#include "parsers/providers/openai_chat.h"
#include "parsers/providers/provider.h"

namespace llmtap {
namespace {

Match matches(const RequestHead& head) {
  const auto method = google_method(head.path);
  const bool ours =
      vertex_path(head.path) || host_of(head.authority).starts_with("generativelanguage.");
  if (method == "predict" && ours) return Match::kIfBody;
  return method == "predictLongRunning" && ours ? Match::kYes : Match::kNo;
}

bool confirms(const RequestHead& head, const Json& body) {
  if (matches(head) == Match::kNo) return false;
  const Json first = body["instances"].at(0);
  return first["content"].is_string() || first["prompt"].is_string() || first["text"].is_string() ||
         first["messages"].at(0)["author"].is_string();
}

class PredictParser final : public CallParser {
 public:
  void request(const RequestHead& head, const RequestBody& body, CallRecord& call) override {
    const Json instances = body.json["instances"];
    call.model_requested = google_model(head.path);
    const std::string model = call.model_requested.value_or("");
    const bool chat = instances.at(0)["messages"].is_array();
    const bool image = instances.at(0)["prompt"].is_string();
    call.operation = chat     ? Operation::kChat
                     : !image ? Operation::kEmbeddings
                     : model.find("bison") != std::string::npos ||
                             model.find("unicorn") != std::string::npos ||
                             model.find("gecko") != std::string::npos
                         ? Operation::kTextCompletion
                         : Operation::kImage;
    for (const auto [name, value] : body.json["parameters"].members()) {
      add_param(call, name, value.dump());
    }
    for (const auto instance : instances.elements()) {
      if (const auto context = instance["context"].string(); context && chat) {
        call.input.push_back({"system", {text_part("text", *context)}, {}, {}});
      }
      for (const auto turn : instance["messages"].elements()) {
        call.input.push_back(
            {turn["author"].str(), {text_part("text", turn["content"].str())}, {}, {}});
      }
      if (chat) continue;
      if (image) {
        call.input.push_back(
            {"user", {text_part("text", instance["prompt"].string().value_or(""))}, {}, {}});
        continue;
      }
      const Json text = instance["content"].exists() ? instance["content"] : instance["text"];
      call.documents.push_back(text.str());
    }
    constexpr std::string_view kOfInstance[] = {"task_type", "title", "mimeType"};
    read_params(instances.at(0), kOfInstance, call);
    if (!call.params.empty()) call.vendor.push_back({"google_config", "true"});
  }

  Step event(const BodyEvent&, const Json& json, CallRecord& call) override {
    if (json["error"].is_object()) read_google_error(json["error"], call);
    std::uint64_t tokens = 0;
    bool counted = false;
    for (const auto prediction : json["predictions"].elements()) {
      if (const auto data = prediction["bytesBase64Encoded"].string()) {
        const auto type = prediction["mimeType"].string().value_or("image/png");
        call.output.push_back(
            {"assistant", {media_from_base64(PartKind::kImage, "image", type, *data)}, {}, {}});
      }
      if (const auto text = prediction["content"].string()) say(*text, call);
      for (const auto candidate : prediction["candidates"].elements()) {
        say(candidate["content"].string().value_or(""), call);
      }
      const Json embedding = prediction["embeddings"];
      if (!embedding.is_object()) continue;
      call.embedding_count = call.embedding_count.value_or(0) + 1;
      call.embedding_size = embedding["values"].size();
      if (const auto count = embedding["statistics"]["token_count"].count()) {
        tokens += *count;
        counted = true;
      }
    }
    if (counted) call.usage.input_uncached = tokens;
    const Json made = json["metadata"]["tokenMetadata"];
    if (const auto input = made["inputTokenCount"]["totalTokens"].count()) {
      call.usage.input_uncached = input;
    }
    if (const auto output = made["outputTokenCount"]["totalTokens"].count()) {
      call.usage.output_visible = output;
    }
    call.usage.billable_characters = json["metadata"]["billableCharacterCount"].count();
    return Step::kContinue;
  }

 private:
  static void say(std::string_view text, CallRecord& call) {
    call.output.push_back({"assistant", {text_part("text", text)}, {}, {}});
  }
};

Match matches_raw(const RequestHead& head) {
  const auto method = google_method(head.path);
  return method == "rawPredict" || method == "streamRawPredict" ? Match::kYes : Match::kNo;
}

// The vendor's parser; the model is in the path.
class RawPredictParser final : public CallParser {
 public:
  void request(const RequestHead& head, const RequestBody& body, CallRecord& call) override {
    if (head.path.find("/publishers/anthropic/") != std::string::npos ||
        body.json["anthropic_version"].exists()) {
      inner_ = std::make_unique<AnthropicParser>();
      call.dialect = "anthropic_messages";
    } else {
      inner_ = std::make_unique<ChatParser>();
      call.dialect = "openai_chat";
    }
    inner_->request(head, body, call);
    call.model_requested = google_model(head.path);
    // count-tokens@... is asked like a model.
    if (call.model_requested.value_or("").starts_with("count-tokens")) {
      call.operation = Operation::kCountTokens;
    }
  }
  Step event(const BodyEvent& event, const Json& json, CallRecord& call) override {
    return inner_->event(event, json, call);
  }
  void finish(CallRecord& call) override { inner_->finish(call); }

 private:
  std::unique_ptr<CallParser> inner_ = std::make_unique<ChatParser>();
};

}  // namespace

extern const Provider kVertexPredict;
const Provider kVertexPredict = {"vertex_predict", matches, confirms,
                                 [] { return std::unique_ptr<CallParser>(new PredictParser); }};

extern const Provider kVertexRawPredict;
const Provider kVertexRawPredict = {"vertex_raw_predict", matches_raw, nullptr, [] {
                                      return std::unique_ptr<CallParser>(new RawPredictParser);
                                    }};

}  // namespace llmtap
