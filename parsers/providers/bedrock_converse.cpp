// SPDX-License-Identifier: Apache-2.0
//
// Amazon Bedrock Converse: POST /model/{id}/converse and /converse-stream; /count-tokens counts.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
//
//   {"messages": [{"role": "user", "content": [{"text": "hi"}]}], "inferenceConfig": {...}}
//   contentBlockDelta  {"contentBlockIndex": 0, "delta": {"text": "he"}}
//   metadata           {"usage": {"inputTokens": 9, "outputTokens": 3, "totalTokens": 12}}
//
// Quirks: the model is in the path only, perhaps as an ARN; the events' names are headers of their
// frames; `metadata` is the last one; an exception frame ends a stream that began well.
#include "parsers/providers/bedrock_common.h"
#include "parsers/providers/common.h"
#include "parsers/providers/provider.h"

namespace llmtap {
namespace {

// Control plane: listings, inference profiles, asynchronous jobs.
bool management_path(const RequestHead& head) {
  const auto host = host_of(head.authority);
  if (!host.starts_with("bedrock")) return false;
  if (host.starts_with("bedrock.") || host.starts_with("bedrock-fips.") ||
      host.starts_with("bedrock-agent.") || host.starts_with("bedrock-data-automation")) {
    return true;
  }
  const auto segments = path_segments(head.path);
  if (segments.empty()) return false;
  const auto first = segments.front();
  return first == "foundation-models" || first == "inference-profiles" || first == "async-invoke" ||
         first == "custom-models" || first == "guardrails" || first == "guardrail" ||
         first == "model-invocation-jobs";
}

Match matches(const RequestHead& head) {
  if (management_path(head)) return Match::kYes;
  if (head.method != "POST" && !head.method.empty()) return Match::kNo;
  const auto target = bedrock_target(head.path);
  if (!target) return Match::kNo;
  const auto action = target->action;
  return action == "converse" || action == "converse-stream" || action == "count-tokens"
             ? Match::kYes
             : Match::kNo;
}

class ConverseParser final : public CallParser {
 public:
  void request(const RequestHead& head, const RequestBody& body, CallRecord& call) override {
    const auto target = bedrock_target(head.path);
    call.operation = !target                            ? Operation::kManagement
                     : target->action == "count-tokens" ? Operation::kCountTokens
                                                        : Operation::kChat;
    if (!target) return;
    call.model_requested = target->model;
    call.streamed = target->action == "converse-stream";
    read_converse_request(body.json, call);
  }

  Step event(const BodyEvent& event, const Json& json, CallRecord& call) override {
    if (event.exception) {
      apply_bedrock_exception(event, json, call);
      return Step::kCallDone;
    }
    if (event.name.empty()) {
      fold_.whole(json, call);
      return Step::kContinue;
    }
    fold_.event(event.name, json, event.ts_ns, call);
    return event.name == "metadata" ? Step::kCallDone : Step::kContinue;
  }

 private:
  ConverseFold fold_;
};

}  // namespace

extern const Provider kBedrockConverse;
const Provider kBedrockConverse = {"bedrock_converse", matches, nullptr,
                                   [] { return std::unique_ptr<CallParser>(new ConverseParser); }};

}  // namespace llmtap
