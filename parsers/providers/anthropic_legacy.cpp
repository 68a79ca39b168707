// SPDX-License-Identifier: Apache-2.0
//
// Anthropic's first API: POST /v1/complete.
// https://docs.claude.com/en/api/complete
//
//   {"model": "claude-instant-1.2", "prompt": "\n\nHuman: hi\n\nAssistant:",
//    "max_tokens_to_sample": 64, "stream": true}
//   event: completion   {"completion": " he", "stop_reason": null, "model": "claude-instant-1.2"}
//
// Quirks: streamed completions are pieces, not the whole text so far; no usage at all.
#include "parsers/providers/anthropic_common.h"
#include "parsers/providers/common.h"

namespace llmtap {
namespace {

constexpr std::string_view kParams[] = {"max_tokens_to_sample", "stop_sequences", "stream",
                                        "temperature",          "top_k",          "top_p"};

Match matches(const RequestHead& head) {
  if (head.method != "POST" && !head.method.empty()) return Match::kNo;
  return path_ends(head.path, "/complete") ? Match::kIfBody : Match::kNo;
}

bool confirms(const RequestHead&, const Json& body) {
  return body["prompt"].is_string() && body["max_tokens_to_sample"].is_number();
}

class LegacyParser final : public CallParser {
 public:
  void request(const RequestHead&, const RequestBody& body, CallRecord& call) override {
    call.operation = Operation::kTextCompletion;
    if (const auto model = body.json["model"].string()) call.model_requested = std::string(*model);
    call.streamed = body.json["stream"].boolean().value_or(false);
    read_params(body.json, kParams, call);
    Message message;
    message.parts.push_back(text_part("", body.json["prompt"].string().value_or("")));
    call.input.push_back(std::move(message));
    read_anthropic_identity(body.json["metadata"], call);
  }

  Step event(const BodyEvent& event, const Json& json, CallRecord& call) override {
    if (json["type"].string() == "error" || call.http_status.value_or(200) >= 400) {
      apply_anthropic_error(event, json, call);
      return Step::kContinue;
    }
    const auto text = json["completion"].string();
    if (!text) return Step::kContinue;  // ping
    if (const auto model = json["model"].string()) call.model_served = std::string(*model);
    if (call.response_id.empty()) call.response_id = json["id"].str();
    if (call.output.empty()) {
      call.output.emplace_back();
      call.output.back().parts.push_back(text_part("", ""));
    }
    call.output.back().parts.front().text += *text;
    if (call.streamed && !text->empty()) mark_token(call, event.ts_ns);
    if (const auto reason = json["stop_reason"].string()) {
      call.finish_reason = call.output.back().finish_reason = std::string(*reason);
    }
    return Step::kContinue;
  }
};

}  // namespace

extern const Provider kAnthropicComplete;
const Provider kAnthropicComplete = {"anthropic_complete", matches, confirms,
                                     [] { return std::unique_ptr<CallParser>(new LegacyParser); }};

}  // namespace llmtap
