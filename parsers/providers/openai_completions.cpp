// SPDX-License-Identifier: Apache-2.0
//
// Text completions: POST {prefix}/completions (not /chat/completions), also vLLM, llama.cpp and
// other servers of the older API, and prompts stored at a gateway (/prompts/{id}/completions).
// https://platform.openai.com/docs/api-reference/completions
//
//   {"model": "gpt-3.5-turbo-instruct", "prompt": "Say this", "max_tokens": 7, "stream": true}
//   data: {"object": "text_completion", "choices": [{"text": " is", "index": 0}]}
//   data: [DONE]
//
// Quirks: `prompt` is a string, a list of strings, a token list or a list of those. One that
// answers in chat form (a stored prompt) is read as chat.
#include "parsers/providers/common.h"
#include "parsers/providers/openai_chat.h"
#include "parsers/providers/openai_common.h"

namespace llmtap {
namespace {

constexpr std::size_t kMaxChoices = 1024;

constexpr std::string_view kParams[] = {
    "best_of", "echo",   "frequency_penalty", "logit_bias",  "logprobs",           "max_tokens",
    "min_p",   "n",      "presence_penalty",  "random_seed", "repetition_penalty", "seed",
    "stop",    "stream", "stream_options",    "suffix",      "temperature",        "top_k",
    "top_p",   "user"};

Match matches(const RequestHead& head) {
  if (head.method != "POST" && !head.method.empty()) return Match::kNo;
  return path_ends(head.path, "/completions") ? Match::kYes : Match::kNo;
}

class CompletionParser final : public CallParser {
 public:
  void request(const RequestHead& head, const RequestBody& body, CallRecord& call) override {
    call.operation = Operation::kTextCompletion;
    call.model_requested = requested_model(head, body.json);
    call.streamed = body.json["stream"].boolean().value_or(false);
    read_params(body.json, kParams, call);
    const Json prompt = body.json["prompt"];
    const Json first = prompt.at(0);
    if (prompt.is_array() && !first.is_number()) {
      for (const auto one : prompt.elements()) add_prompt(one, call);
    } else if (prompt) {
      add_prompt(prompt, call);
    }
    read_openai_identity(body.json, call);
  }

  Step event(const BodyEvent& event, const Json& json, CallRecord& call) override {
    if (event.data == "[DONE]") return Step::kCallDone;
    if (!json.is_object()) {
      apply_error_text(event.data, call);
      return Step::kContinue;
    }
    if (const auto model = json["model"].string(); model && !model->empty()) {
      call.model_served = std::string(*model);
    }
    if (call.response_id.empty()) call.response_id = json["id"].str();
    apply_openai_usage(json, call);
    apply_openai_error(json, call);
    for (const auto choice : json["choices"].elements()) add_choice(choice, event.ts_ns, call);
    return Step::kContinue;
  }

  void finish(CallRecord& call) override {
    stream_.finish(call);
    if (!call.output.empty()) call.finish_reason = call.output.front().finish_reason;
  }

 private:
  static void add_prompt(const Json& prompt, CallRecord& call) {
    Message message;
    message.parts.push_back(text_part("", prompt.is_string() ? prompt.str() : prompt.dump()));
    call.input.push_back(std::move(message));
  }

  // Whole and streamed choices have the same shape: texts of one index are joined.
  void add_choice(const Json& choice, TimeNs ts_ns, CallRecord& call) {
    if (choice["delta"].is_object()) return stream_.delta(choice, ts_ns, call);
    if (choice["message"].is_object()) {
      call.output.push_back(read_openai_message(choice["message"]));
    } else {
      const auto index = choice["index"].count().value_or(0);
      if (index >= kMaxChoices) return;
      while (call.output.size() <= index) {
        call.output.emplace_back();
        call.output.back().parts.push_back(text_part("", ""));
      }
      const auto text = choice["text"].string().value_or("");
      call.output[index].parts.front().text += text;
      if (call.streamed && !text.empty()) mark_token(call, ts_ns);
    }
    if (const auto reason = choice["finish_reason"].string()) {
      const auto index = choice["index"].count().value_or(0);
      if (index < call.output.size()) call.output[index].finish_reason = std::string(*reason);
    }
  }

  ChatStream stream_;
};

}  // namespace

extern const Provider kOpenAiCompletions;
const Provider kOpenAiCompletions = {"openai_completions", matches, nullptr, [] {
                                       return std::unique_ptr<CallParser>(new CompletionParser);
                                     }};

}  // namespace llmtap
