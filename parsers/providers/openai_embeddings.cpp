// SPDX-License-Identifier: Apache-2.0
//
// Embeddings: POST {prefix}/embeddings (OpenAI, Azure, Mistral, Voyage, vLLM, ...).
// https://platform.openai.com/docs/api-reference/embeddings
//
//   {"model": "text-embedding-3-small", "input": "hi", "encoding_format": "base64"}
//   {"data": [{"index": 0, "embedding": "<base64 of floats>"}], "usage": {"prompt_tokens": 1}}
//
// Quirks: the official SDKs ask for base64 of their own accord; four bytes are one dimension.
// `input` may be a token list or a list of those.
#include "parsers/providers/common.h"
#include "parsers/providers/openai_common.h"

namespace llmtap {
namespace {

constexpr std::string_view kParams[] = {
    "dimensions",   "encoding_format", "input_type", "output_dimension",
    "output_dtype", "truncation",      "user"};

Match matches(const RequestHead& head) {
  if (head.method != "POST" && !head.method.empty()) return Match::kNo;
  if (path_ends(head.path, "/api/embeddings")) return Match::kNo;  // Ollama
  for (const auto suffix : {"/embeddings", "/multimodalembeddings", "/contextualizedembeddings"}) {
    if (path_ends(head.path, suffix)) return Match::kYes;  // the latter of Voyage
  }
  return serving_endpoint(head.path) ? Match::kIfBody : Match::kNo;
}

bool confirms(const RequestHead& head, const Json& body) {
  return serving_endpoint(head.path) && body["input"].exists() && !body["messages"];
}

// "[1111, 2222]": a token list stands for its text.
std::string token_list(const Json& tokens) {
  std::string out = "[";
  for (const auto token : tokens.elements()) {
    if (out.size() > 1) out += ", ";
    out += token.dump();
  }
  return out + "]";
}

std::string document(const Json& input) {
  if (const auto text = input.string()) return std::string(*text);
  if (input.is_array()) return token_list(input);
  if (const auto text = input["text"].string()) return std::string(*text);
  return dump_without_media(input);
}

class EmbeddingsParser final : public CallParser {
 public:
  void request(const RequestHead& head, const RequestBody& body, CallRecord& call) override {
    call.operation = Operation::kEmbeddings;
    call.model_requested = requested_model(head, body.json);
    read_params(body.json, kParams, call);
    const Json input = body.json["input"] ? body.json["input"] : body.json["inputs"];
    if (input.is_array() && !input.at(0).is_number()) {
      for (const auto one : input.elements()) call.documents.push_back(document(one));
    } else if (input) {
      call.documents.push_back(document(input));
    }
    read_openai_identity(body.json, call);
  }

  Step event(const BodyEvent& event, const Json& json, CallRecord& call) override {
    if (!json.is_object()) {
      apply_error_text(event.data, call);
      return Step::kContinue;
    }
    if (const auto model = json["model"].string()) call.model_served = std::string(*model);
    call.response_id = json["id"].str();
    apply_openai_usage(json, call);
    // {"usage": {"total_tokens": n}} only: all of it is input.
    if (!call.usage.input_uncached && call.usage.total_reported) {
      call.usage.input_uncached = call.usage.total_reported;
    }
    apply_openai_error(json, call);
    if (const auto tokens = json["input_token_count"].count()) call.usage.input_uncached = tokens;
    const Json data = json["data"] ? json["data"] : json["results"];  // watsonx
    if (data.is_array()) {
      call.embedding_count = data.size();
      call.embedding_size = dimensions(data.at(0)["embedding"]);
    }
    return Step::kContinue;
  }

 private:
  static std::optional<std::uint64_t> dimensions(const Json& embedding) {
    constexpr std::uint64_t kBytesPerFloat = 4;
    if (embedding.is_array()) return embedding.size();
    if (const auto text = embedding.string()) return base64_size(*text) / kBytesPerFloat;
    return std::nullopt;
  }
};

}  // namespace

extern const Provider kOpenAiEmbeddings;
const Provider kOpenAiEmbeddings = {"openai_embeddings", matches, confirms, [] {
                                      return std::unique_ptr<CallParser>(new EmbeddingsParser);
                                    }};

}  // namespace llmtap
