// SPDX-License-Identifier: Apache-2.0
//
// Cohere's other endpoints, and rerank in the form that Voyage, Jina, vLLM and llama.cpp share:
// POST /v1/generate, /v1/embed, /v2/embed, {prefix}/rerank.
// https://docs.cohere.com/reference/rerank
//
//   {"prompt": "Tell me a joke", "model": "command"}      {"generations": [{"text"}], "meta"}
//   {"texts": ["a", "b"], "input_type", "embedding_types"} {"embeddings": {"float": [[...]]}}
//   {"query": "...", "documents": ["...", {"text"}]}       {"results": [{"index",
//   "relevance_score"}]}
//
// Quirks: embeddings is a list or an object by type; Voyage answers reranks in `data`.
#include <algorithm>

#include "parsers/providers/cohere_common.h"
#include "parsers/providers/common.h"
#include "parsers/providers/openai_common.h"

namespace llmtap {

void apply_cohere_usage(const Json& holder, CallRecord& call) {
  const Json usage = holder["usage"] ? holder["usage"] : holder["meta"];
  const Json billed = usage["billed_units"];
  const Json tokens = usage["tokens"];
  const auto pick = [&](std::string_view key) {
    const auto count = billed[key].count();
    return count ? count : tokens[key].count();
  };
  if (const auto input = pick("input_tokens")) call.usage.input_uncached = input;
  if (const auto output = pick("output_tokens")) call.usage.output_visible = output;
  // Cached tokens are those of the whole prompt, template included: no part of what is billed.
  const bool known = std::any_of(call.vendor.begin(), call.vendor.end(),
                                 [](const Param& p) { return p.name == "cached_tokens"; });
  if (const Json cached = usage["cached_tokens"]; cached.count() && !known) {
    call.vendor.push_back({"cached_tokens", cached.dump()});
  }
  if (const auto units = billed["search_units"].count()) call.usage.search_units = units;
}

namespace {

constexpr std::string_view kParams[] = {"embedding_types",
                                        "frequency_penalty",
                                        "input_type",
                                        "k",
                                        "max_chunks_per_doc",
                                        "max_tokens",
                                        "num_generations",
                                        "output_dimension",
                                        "p",
                                        "presence_penalty",
                                        "return_documents",
                                        "return_likelihoods",
                                        "stop_sequences",
                                        "stream",
                                        "temperature",
                                        "top_k",
                                        "top_n",
                                        "truncate",
                                        "truncation"};

bool posts(const RequestHead& head) { return head.method == "POST" || head.method.empty(); }

Match matches(const RequestHead& head) {
  if (!posts(head)) return Match::kNo;
  if (path_ends(head.path, "/rerank") || path_ends(head.path, "/v1/embed") ||
      path_ends(head.path, "/v2/embed") || path_ends(head.path, "/v1/generate")) {
    return Match::kIfBody;
  }
  return Match::kNo;
}

bool confirms(const RequestHead& head, const Json& body) {
  if (matches(head) == Match::kNo) return false;
  if (path_ends(head.path, "/rerank")) {
    return body["query"].is_string() && (body["documents"].is_array() || body["inputs"].is_array());
  }
  if (!body["model"].is_string()) return false;
  return body["texts"].is_array() || body["inputs"].is_array() || body["images"].is_array() ||
         body["prompt"].is_string();
}

class CohereNativeParser final : public CallParser {
 public:
  void request(const RequestHead& head, const RequestBody& body, CallRecord& call) override {
    const Json& json = body.json;
    call.model_requested = requested_model(head, json);
    call.streamed = json["stream"].boolean().value_or(false);
    read_params(json, kParams, call);
    if (path_ends(head.path, "/rerank")) {
      call.operation = Operation::kRerank;
      input(call, json["query"].string().value_or(""));
      const Json documents = json["documents"] ? json["documents"] : json["inputs"];  // watsonx
      for (const auto one : documents.elements()) document(one, call);
    } else if (path_ends(head.path, "/generate")) {
      call.operation = Operation::kTextCompletion;
      input(call, json["prompt"].string().value_or(""));
    } else {
      call.operation = Operation::kEmbeddings;
      for (const auto one : json["texts"].elements()) document(one, call);
      for (const auto one : json["inputs"].elements()) document(one, call);
    }
  }

  Step event(const BodyEvent& event, const Json& json, CallRecord& call) override {
    if (!json.is_object()) {
      apply_error_text(event.data, call);
      return Step::kContinue;
    }
    const Json answer = json["response"].is_object() ? json["response"] : json;
    if (answer["id"]) call.response_id = answer["id"].str();
    if (const auto model = answer["model"].string()) call.model_served = std::string(*model);
    apply_openai_usage(json, call);  // Voyage, vLLM: {"usage": {"total_tokens": n}}
    if (!call.usage.input_uncached && call.usage.total_reported) {
      call.usage.input_uncached = call.usage.total_reported;
    }
    if (const auto tokens = json["input_token_count"].count()) call.usage.input_uncached = tokens;
    apply_cohere_usage(answer, call);
    apply_openai_error(json, call);
    generations(answer, event.ts_ns, call);
    embeddings(answer["embeddings"], call);
    results(answer["results"] ? answer["results"] : answer["data"], call);
    return Step::kContinue;
  }

 private:
  static void input(CallRecord& call, std::string_view text) {
    Message message;
    message.role = "user";
    message.parts.push_back(text_part("text", text));
    call.input.push_back(std::move(message));
  }

  static void document(const Json& one, CallRecord& call) {
    const auto text = one.is_object() ? one["text"].string() : one.string();
    call.documents.push_back(text ? std::string(*text) : dump_without_media(one));
  }

  static void generations(const Json& answer, TimeNs ts_ns, CallRecord& call) {
    if (call.operation != Operation::kTextCompletion) return;
    if (const auto piece = answer["text"].string(); piece && !answer["generations"]) {
      answer_text(call) += *piece;
      mark_token(call, ts_ns);
    }
    if (answer["generations"]) call.output.clear();  // the end of a stream repeats the whole
    for (const auto generation : answer["generations"].elements()) {
      Message message;
      message.role = "assistant";
      message.parts.push_back(text_part("text", generation["text"].string().value_or("")));
      if (const auto reason = generation["finish_reason"].string()) {
        message.finish_reason = std::string(*reason);
        call.finish_reason = message.finish_reason;
      }
      call.output.push_back(std::move(message));
    }
  }

  static void embeddings(const Json& embeddings, CallRecord& call) {
    Json list = embeddings;
    for (const auto& [type, values] : embeddings.members()) {
      list = values;
      break;
    }
    if (!list.is_array()) return;
    call.embedding_count = list.size();
    const Json first = list.at(0);
    if (first.is_array()) call.embedding_size = first.size();
    if (const auto text = first.string()) call.embedding_size = base64_size(*text) / sizeof(float);
  }

  static void results(const Json& list, CallRecord& call) {
    if (call.operation != Operation::kRerank) return;
    for (const auto result : list.elements()) {
      Message message;
      message.parts.push_back(text_part("result", ""));
      Part& part = message.parts.front();
      const auto index = result["index"].count();
      if (index && *index < call.documents.size()) part.text = call.documents[*index];
      part.raw = result.dump();
      call.output.push_back(std::move(message));
    }
  }
};

}  // namespace

extern const Provider kCohereNative;
const Provider kCohereNative = {"cohere_native", matches, confirms,
                                [] { return std::unique_ptr<CallParser>(new CohereNativeParser); }};

}  // namespace llmtap
