// SPDX-License-Identifier: Apache-2.0
//
// Text generation of model servers with an API of their own: Hugging Face TGI (POST /generate,
// /generate_stream, or / of an endpoint; /models/{m} of the hub), watsonx (POST
// /ml/v1*/generation/text and text_stream), llama.cpp (POST /completion, /infill), SGLang and vLLM
// (POST /generate), Cloudflare Workers AI (POST .../ai/run/{model}), Aleph Alpha (POST /complete).
// https://huggingface.co/docs/text-generation-inference  https://cloud.ibm.com/apidocs/watsonx-ai
// https://docs.sglang.ai/basic_usage/native_api.html     https://docs.aleph-alpha.com
// https://developers.cloudflare.com/workers-ai/get-started/rest-api
//
//   TGI      {"inputs": "hi", "parameters": {...}}   {"generated_text", "details": {...}}
//            data: {"token": {"text": " a", "special": false}, "generated_text": null}
//   watsonx  {"model_id", "input": "hi"}  {"results": [{"generated_text", "input_token_count",
//            "generated_token_count", "stop_reason"}]}; in streams the counts are cumulative
//   llama.cpp {"prompt": "hi"}            {"content": " a", "stop": false, "tokens_evaluated": 3}
//   SGLang   {"text": "hi", "sampling_params": {}}   {"text", "meta_info": {"prompt_tokens",
//            "completion_tokens", "finish_reason": {"type"}}}; streams repeat the text so far
//   Workers  {"messages": [...]} or {"prompt"}       {"result": {"response", "usage"}, "success"}
//   Aleph A. {"model", "prompt", "maximum_tokens"}   {"completions": [{"completion",
//            "finish_reason"}], "num_tokens_prompt_total", "num_tokens_generated"}
#include <algorithm>

#include "parsers/providers/common.h"
#include "parsers/providers/openai_common.h"

namespace llmtap {
namespace {

constexpr std::string_view kParams[] = {"cache_prompt", "n_predict",   "parameters", "seed", "stop",
                                        "stream",       "temperature", "top_k",      "top_p"};

// "@cf/meta/llama-3.1-8b-instruct" of ".../ai/run/@cf/meta/llama-3.1-8b-instruct".
std::optional<std::string> workers_model(std::string_view path) {
  constexpr std::string_view kRun = "/ai/run/";
  constexpr std::string_view kGateway = "/workers-ai/";
  const auto bare = bare_path(path);
  for (const auto mark : {kRun, kGateway}) {
    const auto at = bare.find(mark);
    if (at != std::string_view::npos && bare.substr(at + mark.size()).starts_with('@')) {
      return percent_decoded(bare.substr(at + mark.size()));
    }
  }
  return std::nullopt;
}

// {prefix}/models/{owner}/{name} of Hugging Face's own inference.
std::optional<std::string> hub_model(const RequestHead& head) {
  if (host_of(head.authority).find("huggingface.co") == std::string_view::npos) return std::nullopt;
  const auto bare = bare_path(head.path);
  const auto at = bare.find("/models/");
  if (at == std::string_view::npos) return std::nullopt;
  return percent_decoded(bare.substr(at + 8));
}

// Aleph Alpha's prompts are texts, or lists of typed pieces.
std::string prompt_text(const Json& prompt) {
  if (!prompt.is_array()) return prompt.is_string() ? prompt.str() : prompt.dump();
  std::string text;
  for (const auto piece : prompt.elements()) {
    if (piece["type"].string() == "text") text += piece["data"].str();
  }
  return text.empty() ? dump_without_media(prompt) : text;
}

Match matches(const RequestHead& head) {
  if (head.method != "POST" && !head.method.empty()) return Match::kNo;
  for (const auto path : {"/generation/text", "/generation/text_stream", "/text/generation",
                          "/text/generation_stream"}) {
    if (path_ends(head.path, path)) return Match::kYes;
  }
  for (const auto path : {"/generate", "/generate_stream", "/completion", "/complete", "/infill"}) {
    if (path_ends(head.path, path)) return Match::kIfBody;
  }
  if (workers_model(head.path) || hub_model(head)) return Match::kIfBody;
  return Match::kNo;
}

bool confirms(const RequestHead& head, const Json& body) {
  if (path_ends(head.path, "/completion")) return body["prompt"].exists();
  if (path_ends(head.path, "/infill")) return body["input_prefix"].is_string();
  if (path_ends(head.path, "/complete")) {
    return body["prompt"].exists() && body["maximum_tokens"].is_number();
  }
  if (workers_model(head.path)) return body["prompt"].is_string() || body["messages"].is_array();
  if (path_ends(head.path, "/generate") && !body["inputs"]) {
    return (body["text"].is_string() && body["sampling_params"].is_object()) ||
           (body["prompt"].is_string() && body["max_tokens"].is_number() && !body["model"]);
  }
  return head.method == "POST" && body["inputs"].is_string() &&
         (matches(head) != Match::kNo || body["parameters"].is_object());
}

class HostedTextParser final : public CallParser {
 public:
  void request(const RequestHead& head, const RequestBody& body, CallRecord& call) override {
    const Json& json = body.json;
    call.operation = Operation::kTextCompletion;
    for (const auto key : {"model_id", "model", "deployment_id"}) {
      if (const auto model = json[key].string(); model && !call.model_requested) {
        call.model_requested = std::string(*model);
      }
    }
    if (auto model = workers_model(head.path)) call.model_requested = std::move(model);
    if (!call.model_requested) call.model_requested = hub_model(head);
    call.streamed = path_ends(head.path, "_stream") || json["stream"].boolean().value_or(false);
    read_params(json, kParams, call);
    if (json["messages"].is_array()) {
      call.operation = Operation::kChat;
      for (const auto wire : json["messages"].elements()) {
        call.input.push_back(read_openai_message(wire));
      }
      return read_openai_tools(json, call);
    }
    Message message;
    message.role = "user";
    for (const auto key : {"inputs", "input", "prompt", "text", "input_prefix"}) {
      const Json prompt = json[key];
      if (!prompt) continue;
      message.parts.push_back(text_part("text", prompt_text(prompt)));
      break;
    }
    call.input.push_back(std::move(message));
  }

  void response(const ResponseHead& head, CallRecord& call) override {
    call.usage.input_uncached = header_count(head, "x-prompt-tokens");
    call.usage.output_visible = header_count(head, "x-generated-tokens");
  }

  Step event(const BodyEvent& event, const Json& json, CallRecord& call) override {
    if (event.data == "[DONE]") return Step::kCallDone;
    const Json holder = json.is_array() ? json.at(0) : json;
    if (!holder.is_object()) {
      apply_error_text(event.data, call);
      return Step::kContinue;
    }
    apply_openai_error(holder, call);
    for (const auto key : {"model_id", "model"}) {
      if (const auto model = holder[key].string()) call.model_served = std::string(*model);
    }
    if (holder["results"].is_array()) watsonx(holder["results"].at(0), event.ts_ns, call);
    if (holder["content"].is_string()) return llama(holder, event.ts_ns, call);
    if (holder["meta_info"].is_object() || holder["text"].exists()) {
      sglang(holder, event.ts_ns, call);
    } else if (holder["completions"].is_array()) {
      aleph_alpha(holder, call);
    } else if (holder["response"].exists() || holder["result"].is_object()) {
      workers(holder["result"].is_object() ? holder["result"] : holder, event.ts_ns, call);
    }
    return tgi(holder, event.ts_ns, call);
  }

 private:
  static std::optional<std::uint64_t> header_count(const ResponseHead& head,
                                                   std::string_view name) {
    const auto text = find_header(head.headers, name);
    JsonDocument document;
    return text ? document.parse(*text).count() : std::nullopt;
  }

  static void piece(std::string_view piece, TimeNs ts_ns, CallRecord& call) {
    answer_text(call) += piece;
    if (call.streamed && !piece.empty()) mark_token(call, ts_ns);
  }

  static void stopped(const Json& reason, CallRecord& call) {
    if (const auto word = reason.string(); word && *word != "not_finished") {
      call.finish_reason = std::string(*word);
    }
  }

  static void watsonx(const Json& result, TimeNs ts_ns, CallRecord& call) {
    piece(result["generated_text"].string().value_or(""), ts_ns, call);
    if (const auto input = result["input_token_count"].count(); input && *input > 0) {
      call.usage.input_uncached = input;
    }
    if (const auto output = result["generated_token_count"].count()) {
      call.usage.output_visible = output;
    }
    stopped(result["stop_reason"], call);
  }

  static Step llama(const Json& json, TimeNs ts_ns, CallRecord& call) {
    piece(json["content"].string().value_or(""), ts_ns, call);
    if (!json["stop"].boolean().value_or(false)) return Step::kContinue;
    call.usage.input_uncached = json["tokens_evaluated"].count();
    call.usage.output_visible = json["tokens_predicted"].count();
    stopped(json["stop_type"], call);
    return Step::kCallDone;
  }

  // vLLM's own server gives a list of texts.
  static void sglang(const Json& json, TimeNs ts_ns, CallRecord& call) {
    const Json text = json["text"].is_array() ? json["text"].at(0) : json["text"];
    if (const auto whole = text.string()) {
      if (call.streamed && whole->size() > answer_text(call).size()) mark_token(call, ts_ns);
      answer_text(call) = std::string(*whole);
    }
    const Json info = json["meta_info"];
    call.response_id = info["id"].str();
    if (const auto input = info["prompt_tokens"].count()) {
      const auto cached = std::min(info["cached_tokens"].count().value_or(0), *input);
      call.usage.input_uncached = *input - cached;
      if (info["cached_tokens"].count()) call.usage.cache_read = cached;
    }
    if (const auto output = info["completion_tokens"].count()) call.usage.output_visible = output;
    stopped(info["finish_reason"]["type"], call);
  }

  static void aleph_alpha(const Json& json, CallRecord& call) {
    const Json first = json["completions"].at(0);
    answer_text(call) = first["completion"].str();
    call.usage.input_uncached = json["num_tokens_prompt_total"].count();
    call.usage.output_visible = json["num_tokens_generated"].count();
    stopped(first["finish_reason"], call);
  }

  static void workers(const Json& result, TimeNs ts_ns, CallRecord& call) {
    piece(result["response"].string().value_or(""), ts_ns, call);
    for (const auto tool : result["tool_calls"].elements()) {
      Part part;
      part.kind = PartKind::kToolCall;
      part.tool_name = tool["name"].str();
      part.arguments = tool["arguments"].dump();
      answer(call).parts.push_back(std::move(part));
    }
    apply_openai_usage(result, call);
  }

  static Step tgi(const Json& json, TimeNs ts_ns, CallRecord& call) {
    if (const Json token = json["token"]; token && !token["special"].boolean().value_or(false)) {
      piece(token["text"].string().value_or(""), ts_ns, call);
    }
    if (const auto whole = json["generated_text"].string()) answer_text(call) = std::string(*whole);
    const Json details = json["details"];
    if (const auto tokens = details["input_length"].count()) call.usage.input_uncached = tokens;
    if (const auto tokens = details["generated_tokens"].count()) call.usage.output_visible = tokens;
    stopped(details["finish_reason"], call);
    return Step::kContinue;
  }
};

}  // namespace

extern const Provider kHostedText;
const Provider kHostedText = {"hosted_text", matches, confirms,
                              [] { return std::unique_ptr<CallParser>(new HostedTextParser); }};

}  // namespace llmtap
