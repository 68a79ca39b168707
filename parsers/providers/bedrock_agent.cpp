// SPDX-License-Identifier: Apache-2.0
//
// Amazon Bedrock agents and knowledge bases (bedrock-agent-runtime):
//   POST /agents/{id}/agentAliases/{alias}/sessions/{session}/text   InvokeAgent
//   POST /agents/{session}                                           InvokeInlineAgent
//   POST /rerank                                                     Rerank
//   POST /knowledgebases/{id}/retrieve, /retrieveAndGenerate, /retrieveAndGenerateStream
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_InvokeAgent.html
//
//   {"inputText": "hi", "enableTrace": true}
//   chunk  {"bytes": "<base64 text>"}
//   trace  {"trace": {"orchestrationTrace": {"modelInvocationInput": {"foundationModel": ...}}}}
//
// Quirks: tokens are only in the traces, one per model invocation inside of the agent: they are
// added up. returnControl hands a tool call back to the caller.
#include "parsers/core/base64.h"
#include "parsers/providers/bedrock_common.h"
#include "parsers/providers/common.h"
#include "parsers/providers/provider.h"

namespace llmtap {
namespace {

constexpr std::size_t kMaxTraces = std::size_t{256} << 10;  // bytes of traces kept per call

struct Target {
  Operation operation = Operation::kManagement;
  std::string_view agent, alias, session, knowledge_base;
};

std::optional<Target> target_of(std::string_view path) {
  const auto s = path_segments(path);
  if (s.empty()) return std::nullopt;
  Target target;
  if (s.size() >= 7 && s[s.size() - 7] == "agents" && s.back() == "text") {
    const auto at = s.size() - 7;
    target = {Operation::kAgent, s[at + 1], s[at + 3], s[at + 5], {}};
  } else if (s.back() == "retrieveAndGenerate" || s.back() == "retrieveAndGenerateStream") {
    target.operation = Operation::kChat;
  } else if (s.size() >= 3 && s[s.size() - 3] == "knowledgebases" && s.back() == "retrieve") {
    target.operation = Operation::kRetrieval;
    target.knowledge_base = s[s.size() - 2];
  } else if (s.back() == "rerank") {
    target.operation = Operation::kRerank;
  } else if (s.size() == 2 && s[0] == "agents") {
    target.operation = Operation::kAgent;
    target.session = s[1];
  } else {
    return std::nullopt;
  }
  return target;
}

Match matches(const RequestHead& head) {
  if (head.method != "POST") return Match::kNo;
  const auto target = target_of(head.path);
  if (!target) return Match::kNo;
  // /agents/{x} and /knowledgebases are everybody's words.
  return host_of(head.authority).starts_with("bedrock") || !target->alias.empty() ||
                 target->operation == Operation::kChat
             ? Match::kYes
             : Match::kNo;
}

void vendor(std::string_view name, std::string_view value, CallRecord& call) {
  if (!value.empty()) call.vendor.push_back({std::string(name), quote_json(value)});
}

void add(std::optional<std::uint64_t>& sum, const Json& more) {
  if (const auto count = more.count()) sum = sum.value_or(0) + *count;
}

Message text_message(std::string_view role, std::string_view text) {
  return {std::string(role), {text_part("text", text)}, {}, {}};
}

class AgentParser final : public CallParser {
 public:
  void request(const RequestHead& head, const RequestBody& body, CallRecord& call) override;
  Step event(const BodyEvent& event, const Json& json, CallRecord& call) override;
  void finish(CallRecord& call) override {
    if (!traces_.empty()) call.vendor.push_back({"agent_traces", std::move(traces_) + "]"});
  }

 private:
  void chunk(const Json& json, TimeNs ts_ns, CallRecord& call);
  void trace(const Json& json, CallRecord& call);
  void whole(const Json& json, CallRecord& call);

  std::string traces_;  // "[{...},{...}"
};

void AgentParser::request(const RequestHead& head, const RequestBody& body, CallRecord& call) {
  const auto target = target_of(head.path).value_or(Target{});
  const Json& json = body.json;
  call.operation = target.operation;
  call.session_id = percent_decoded(target.session);
  if (call.session_id.empty()) call.session_id = json["sessionId"].str();
  vendor("agent_id", percent_decoded(target.agent), call);
  vendor("agent_alias_id", percent_decoded(target.alias), call);
  vendor("knowledge_base_id", percent_decoded(target.knowledge_base), call);
  const Json config = json["retrieveAndGenerateConfiguration"];
  auto model = config["knowledgeBaseConfiguration"]["modelArn"].string();
  if (!model) model = config["externalSourcesConfiguration"]["modelArn"].string();
  if (!model) model = json["foundationModel"].string();  // inline agents
  if (!model) {
    model = json["rerankingConfiguration"]["bedrockRerankingConfiguration"]["modelConfiguration"]
                ["modelArn"]
                    .string();
  }
  for (const auto source : json["sources"].elements()) {
    const Json document = source["inlineDocumentSource"];
    const auto text = document["textDocument"]["text"].string();
    call.documents.push_back(text ? std::string(*text)
                                  : dump_without_media(document["jsonDocument"]));
  }
  if (model) call.model_requested = std::string(*model);
  constexpr std::string_view kParams[] = {"enableTrace", "endSession", "streamingConfigurations",
                                          "guardrailConfiguration", "retrievalConfiguration"};
  read_params(json, kParams, call);
  if (const auto system = json["instruction"].string()) {
    call.input.push_back(text_message("system", *system));
  }
  for (const Json& text : {json["inputText"], json["retrievalQuery"]["text"], json["input"]["text"],
                           json["queries"].at(0)["textQuery"]["text"]}) {
    if (text.is_string()) call.input.push_back(text_message("user", *text.string()));
  }
}

void AgentParser::chunk(const Json& json, TimeNs ts_ns, CallRecord& call) {
  const auto text = decode_base64(json["bytes"].string().value_or(""));
  if (!text) return;
  if (call.output.empty()) call.output.push_back(text_message("assistant", {}));
  call.output.front().parts.front().text += *text;
  mark_token(call, ts_ns);
}

void AgentParser::trace(const Json& json, CallRecord& call) {
  for (const auto [kind, steps] : json["trace"].members()) {
    const Json input = steps["modelInvocationInput"];
    if (const auto model = input["foundationModel"].string()) {
      call.model_served = std::string(*model);
    }
    const Json usage = steps["modelInvocationOutput"]["metadata"]["usage"];
    add(call.usage.input_uncached, usage["inputTokens"]);
    add(call.usage.output_visible, usage["outputTokens"]);
    if (kind == "guardrailTrace" && steps["action"].string() == "INTERVENED" && !call.error) {
      CallError error;
      error.in_stream = true;
      error.type = "GuardrailTriggered";
      error.message = "Guardrail intervened";
      call.error = std::move(error);
    }
    if (kind == "failureTrace" && !call.error) {
      CallError error;
      error.in_stream = true;
      error.type = "failureTrace";
      error.message = steps["failureReason"].str();
      call.error = std::move(error);
    }
  }
  std::string text = "{";
  if (const auto when = json["eventTime"].string())
    text += "\"eventTime\":" + quote_json(*when) + ",";
  text += "\"trace\":" + dump_without_media(json["trace"]) + "}";
  if (traces_.size() + text.size() > kMaxTraces) return;
  traces_ += (traces_.empty() ? "[" : ",") + text;
}

void AgentParser::whole(const Json& json, CallRecord& call) {
  if (const auto text = json["output"]["text"].string()) {
    call.output.push_back(text_message("assistant", *text));
  }
  for (const auto result : json["results"].elements()) {  // reranked
    const auto index = result["index"].count();
    if (!index || *index >= call.documents.size()) continue;
    Message message = text_message("", call.documents[*index]);
    message.parts.front().wire_type = "document";
    message.parts.front().raw = result["relevanceScore"].dump();
    call.output.push_back(std::move(message));
  }
  for (const auto result : json["retrievalResults"].elements()) {
    Message message = text_message("", result["content"]["text"].string().value_or(""));
    message.parts.front().wire_type = "document";
    message.parts.front().raw = result["score"].dump();
    message.id = result["metadata"]["x-amz-bedrock-kb-chunk-id"].str();
    call.output.push_back(std::move(message));
  }
  if (call.session_id.empty()) call.session_id = json["sessionId"].str();
  if (const auto action = json["guardrailAction"].string()) {
    call.finish_reason = std::string(*action);
  }
}

Step AgentParser::event(const BodyEvent& event, const Json& json, CallRecord& call) {
  if (event.exception) {
    apply_bedrock_exception(event, json, call);
    return Step::kCallDone;
  }
  if (event.name == "chunk") {
    chunk(json, event.ts_ns, call);
  } else if (event.name == "trace") {
    trace(json, call);
  } else if (event.name == "output") {  // retrieveAndGenerateStream
    if (call.output.empty()) call.output.push_back(text_message("assistant", {}));
    call.output.front().parts.front().text += json["text"].str();
    mark_token(call, event.ts_ns);
  } else if (event.name == "returnControl") {
    Part part;
    part.kind = PartKind::kToolCall;
    part.wire_type = "returnControl";
    part.tool_id = json["invocationId"].str();
    part.arguments = json["invocationInputs"].dump();
    call.output.push_back({"assistant", {std::move(part)}, {}, {}});
    call.finish_reason = "return_control";
  } else if (event.name.empty() && call.http_status.value_or(200) < 400) {
    whole(json, call);
  }
  return Step::kContinue;
}

}  // namespace

extern const Provider kBedrockAgent;
const Provider kBedrockAgent = {"bedrock_agent", matches, nullptr,
                                [] { return std::unique_ptr<CallParser>(new AgentParser); }};

}  // namespace llmtap
