// SPDX-License-Identifier: Apache-2.0
//
// Text generation of model servers with an API of their own: Hugging Face TGI (POST /generate,
// /generate_stream, or / of an endpoint), watsonx (POST /ml/v1*/generation/text and text_stream)
// and llama.cpp (POST /completion).
// https://huggingface.co/docs/text-generation-inference  https://cloud.ibm.com/apidocs/watsonx-ai
//
//   TGI      {"inputs": "hi", "parameters": {...}}   {"generated_text", "details": {...}}
//            data: {"token": {"text": " a", "special": false}, "generated_text": null}
//   watsonx  {"model_id", "input": "hi"}  {"results": [{"generated_text", "input_token_count",
//            "generated_token_count", "stop_reason"}]}; in streams the counts are cumulative
//   llama.cpp {"prompt": "hi"}            {"content": " a", "stop": false, "tokens_evaluated": 3}
#include "parsers/providers/common.h"
#include "parsers/providers/openai_common.h"

namespace llmtap {
namespace {

constexpr std::string_view kParams[] = {"cache_prompt", "n_predict",   "parameters", "seed", "stop",
                                        "stream",       "temperature", "top_k",      "top_p"};

Match matches(const RequestHead& head) {
  if (head.method != "POST" && !head.method.empty()) return Match::kNo;
  for (const auto path : {"/generation/text", "/generation/text_stream", "/text/generation",
                          "/text/generation_stream"}) {
    if (path_ends(head.path, path)) return Match::kYes;
  }
  for (const auto path : {"/generate", "/generate_stream", "/completion"}) {
    if (path_ends(head.path, path)) return Match::kIfBody;
  }
  return Match::kNo;
}

bool confirms(const RequestHead& head, const Json& body) {
  if (path_ends(head.path, "/completion")) return body["prompt"].exists();
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
    call.streamed = path_ends(head.path, "_stream") || json["stream"].boolean().value_or(false);
    read_params(json, kParams, call);
    const Json prompt = json["inputs"]  ? json["inputs"]
                        : json["input"] ? json["input"]
                                        : json["prompt"];
    Message message;
    message.role = "user";
    message.parts.push_back(text_part("text", prompt.is_string() ? prompt.str() : prompt.dump()));
    call.input.push_back(std::move(message));
  }

  void response(const ResponseHead& head, CallRecord& call) override {
    call.usage.input_uncached = header_count(head, "x-prompt-tokens");
    call.usage.output_visible = header_count(head, "x-generated-tokens");
  }

  Step event(const BodyEvent& event, const Json& json, CallRecord& call) override {
    const Json holder = json.is_array() ? json.at(0) : json;
    if (!holder.is_object()) {
      apply_error_text(event.data, call);
      return Step::kContinue;
    }
    apply_openai_error(holder, call);
    if (const auto model = holder["model_id"].string()) call.model_served = std::string(*model);
    if (holder["results"].is_array()) watsonx(holder["results"].at(0), event.ts_ns, call);
    if (holder["content"].is_string()) return llama(holder, event.ts_ns, call);
    return tgi(holder, event.ts_ns, call);
  }

 private:
  static std::optional<std::uint64_t> header_count(const ResponseHead& head,
                                                   std::string_view name) {
    const auto text = find_header(head.headers, name);
    JsonDocument document;
    return text ? document.parse(*text).count() : std::nullopt;
  }

  static std::string& text(CallRecord& call) {
    if (call.output.empty()) {
      call.output.emplace_back();
      call.output.back().role = "assistant";
      call.output.back().parts.push_back(text_part("text", ""));
    }
    return call.output.front().parts.front().text;
  }

  static void piece(std::string_view piece, TimeNs ts_ns, CallRecord& call) {
    text(call) += piece;
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

  static Step tgi(const Json& json, TimeNs ts_ns, CallRecord& call) {
    if (const Json token = json["token"]; token && !token["special"].boolean().value_or(false)) {
      piece(token["text"].string().value_or(""), ts_ns, call);
    }
    if (const auto whole = json["generated_text"].string()) text(call) = std::string(*whole);
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
