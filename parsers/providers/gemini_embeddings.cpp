// SPDX-License-Identifier: Apache-2.0
//
// Gemini embeddings: POST .../models/{model}:embedContent and :batchEmbedContents.
// https://ai.google.dev/api/embeddings
//
//   {"requests": [{"content": {"parts": [{"text": "hi"}]}, "taskType": "RETRIEVAL_QUERY"}]}
//   {"embeddings": [{"values": [0.1, ...]}], "usageMetadata": {"promptTokenCount": 4}}
//
// Quirks: older answers carry no usage; settings repeat in each element of a batch.
#include "parsers/providers/common.h"
#include "parsers/providers/gemini_common.h"
#include "parsers/providers/provider.h"

namespace llmtap {
namespace {

constexpr std::string_view kParams[] = {"taskType",  "title",         "outputDimensionality",
                                        "mimeType",  "autoTruncate",  "task_type",
                                        "mime_type", "auto_truncate", "output_dimensionality"};

Match matches(const RequestHead& head) {
  const auto method = google_method(head.path);
  if (method == "asyncBatchEmbedContent") return Match::kYes;
  return method == "embedContent" || method == "batchEmbedContents" ? Match::kYes : Match::kNo;
}

void read_documents(const Json& content, CallRecord& call) {
  for (const auto& part : read_google_content(content, "user").parts) {
    call.documents.push_back(part.text);
  }
}

class GeminiEmbeddingsParser final : public CallParser {
 public:
  void request(const RequestHead& head, const RequestBody& body, CallRecord& call) override {
    call.operation = google_method(head.path) == "asyncBatchEmbedContent" ? Operation::kManagement
                                                                          : Operation::kEmbeddings;
    call.model_requested = google_model(head.path);
    const Json first = body.json["requests"].is_array() ? body.json["requests"].at(0) : body.json;
    read_params(first, kParams, call);
    if (!call.params.empty()) call.vendor.push_back({"google_config", "true"});
    if (body.json["content"]) read_documents(body.json["content"], call);
    for (const auto request : body.json["requests"].elements()) {
      read_documents(request["content"], call);
    }
  }

  Step event(const BodyEvent&, const Json& json, CallRecord& call) override {
    if (json["error"].is_object()) read_google_error(json["error"], call);
    const Json many = json["embeddings"];
    const Json one = many.is_array() ? many.at(0) : json["embedding"];
    if (one.is_object()) {
      call.embedding_count = many.is_array() ? many.size() : 1;
      call.embedding_size = one["values"].size();
    }
    read_google_usage(google_member(json, "usageMetadata"), call);
    return Step::kContinue;
  }
};

}  // namespace

extern const Provider kGeminiEmbeddings;
const Provider kGeminiEmbeddings = {
    "gemini_embeddings", matches, nullptr,
    [] { return std::unique_ptr<CallParser>(new GeminiEmbeddingsParser); }};

}  // namespace llmtap
