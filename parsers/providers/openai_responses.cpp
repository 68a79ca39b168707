// SPDX-License-Identifier: Apache-2.0
//
// OpenAI Responses: POST {prefix}/responses, also over a WebSocket at the same path.
// https://platform.openai.com/docs/api-reference/responses
//
//   {"model": "gpt-5", "instructions": "...", "input": "hi" | [item, ...], "stream": true}
//   event: response.output_text.delta
//   data: {"type": "response.output_text.delta", "output_index": 0, "delta": "he"}
//   data: {"type": "response.completed", "response": {"id": "resp_1", "output": [...], "usage":
//   {}}}
//
// Quirks: no [DONE]; the last event holds the whole answer (some servers leave its output empty).
// Some servers send no `event:` lines, so the type inside counts. GET of a stored response repeats
// its usage and is management. On a socket each {"type": "response.create", ...} of the client is a
// call; one with "generate": false only warms up and is none.
#include <optional>

#include "parsers/providers/common.h"
#include "parsers/providers/openai_common.h"
#include "parsers/providers/openai_item_stream.h"
#include "parsers/providers/openai_items.h"
#include "parsers/providers/provider.h"

namespace llmtap {
namespace {

constexpr std::string_view kParams[] = {"background",
                                        "context_management",
                                        "conversation",
                                        "include",
                                        "max_output_tokens",
                                        "max_tool_calls",
                                        "moderation",
                                        "parallel_tool_calls",
                                        "previous_response_id",
                                        "prompt",
                                        "prompt_cache_options",
                                        "prompt_cache_retention",
                                        "provider",
                                        "reasoning",
                                        "service_tier",
                                        "store",
                                        "stream",
                                        "stream_options",
                                        "temperature",
                                        "text",
                                        "tool_choice",
                                        "top_logprobs",
                                        "top_p",
                                        "truncation",
                                        "user",
                                        "verbosity"};

// What the answer says about the values in effect; exporters prefer it to the request.
constexpr std::string_view kEffective[] = {
    "temperature", "max_output_tokens", "top_p", "tool_choice", "truncation", "text", "user"};

// What follows "responses" in the path: nothing, "compact", "input_tokens", an id, ...
std::optional<std::string_view> after_responses(std::string_view path) {
  const auto segments = path_segments(path);
  for (std::size_t back = 0; back < 3 && back < segments.size(); ++back) {
    const std::size_t i = segments.size() - 1 - back;
    if (segments[i] != "responses") continue;
    return back == 0 ? std::string_view{} : segments[i + 1];
  }
  return std::nullopt;
}

Operation operation_of(const RequestHead& head) {
  const auto rest = after_responses(head.path).value_or("");
  if (rest == "input_tokens") return Operation::kCountTokens;
  if (rest == "compact") return Operation::kOther;
  // A socket begins as a GET; its calls are opened by messages.
  const bool create = rest.empty() && (head.method == "POST" || head.method.empty());
  return create ? Operation::kChat : Operation::kManagement;
}

Match matches(const RequestHead& head) {
  const auto rest = after_responses(head.path);
  if (!rest) return Match::kNo;
  if (rest->starts_with("resp_")) return Match::kYes;
  if (!rest->empty() && *rest != "compact" && *rest != "input_tokens") return Match::kNo;
  const bool versioned = head.path.find("/v1/responses") != std::string::npos ||
                         head.path.find("openai/responses") != std::string::npos ||
                         head.path.find("codex/responses") != std::string::npos;
  return versioned || head.method != "POST" ? Match::kYes : Match::kIfBody;
}

bool confirms(const RequestHead& head, const Json& body) {
  if (body["messages"].exists()) return false;
  if (body["type"].string() == "response.create") {  // first message of a socket
    return body["input"].exists() || body["previous_response_id"].exists();
  }
  if (body["prompt"]["id"].is_string()) return true;
  if (!body["model"].is_string()) return false;
  if (after_responses(head.path)) return body["input"].exists();
  const Json first = body["input"].at(0);
  return body["instructions"].is_string() || first["role"].is_string() ||
         first["call_id"].is_string();
}

void read_input(const Json& body, CallRecord& call) {
  if (const auto text = body["instructions"].string()) {
    Message system;
    system.role = "system";
    system.parts.push_back(text_part("", *text));
    call.input.push_back(std::move(system));
  }
  const Json input = body["input"];
  if (input.is_string()) call.input.push_back(read_openai_item(input));
  for (const auto item : input.elements()) call.input.push_back(read_openai_item(item));
}

void read_session(const Json& body, CallRecord& call) {
  const Json conversation = body["conversation"];
  call.session_id = conversation.is_object() ? conversation["id"].str() : conversation.str();
  read_openai_identity(body, call);
}

void read_request(const Json& body, CallRecord& call) {
  read_params(body, kParams, call);
  read_input(body, call);
  read_openai_tools(body, call);
  read_session(body, call);
}

std::string object_of(const Json& source, std::span<const std::string_view> names) {
  std::string out;
  for (const auto name : names) {
    const Json value = source[name];
    if (!value.exists() || value.is_null()) continue;
    out += (out.empty() ? "{" : ",") + quote_json(name) + ":" + dump_without_media(value);
  }
  return out.empty() ? out : out + "}";
}

// {"code", "message"} of a failed answer, or an `error` event: the same, flat or under `error`.
void read_stream_error(const Json& json, CallRecord& call) {
  if (call.error) return;
  const Json inner = json["error"].is_object() ? json["error"] : json;
  CallError error;
  error.in_stream = call.http_status.value_or(200) < 400;
  error.code = inner["code"].str();
  error.type = inner["type"].str();
  if (error.type == "error" || error.type.empty()) error.type = error.code;
  error.message = inner["message"].str();
  error.body = inner.dump();
  call.error = std::move(error);
}

class ResponsesParser final : public CallParser {
 public:
  void request(const RequestHead& head, const RequestBody& body, CallRecord& call) override;
  Step event(const BodyEvent& event, const Json& json, CallRecord& call) override;
  bool client_event(const BodyEvent& event, const Json& json, CallRecord& call) override;
  void next(CallRecord& call) override {
    stream_ = ItemStream{};
    call.output.clear();
    asked_ = false;
  }

 private:
  void answer(const Json& response, CallRecord& call);
  void finish_reason(const Json& response, CallRecord& call);

  ItemStream stream_;
  bool warming_up_ = false;
  bool asked_ = true;  // on a socket: the client's request of this answer was seen
  std::optional<std::string> session_model_;
};

void ResponsesParser::request(const RequestHead& head, const RequestBody& body, CallRecord& call) {
  call.operation = operation_of(head);
  call.model_requested = requested_model(head, body.json);
  call.streamed = body.json["stream"].boolean().value_or(false);
  asked_ = head.protocol != Protocol::kWebSocket && !find_header(head.headers, "upgrade");
  read_request(body.json, call);
}

bool ResponsesParser::client_event(const BodyEvent&, const Json& json, CallRecord& call) {
  if (json["type"].string() != "response.create") return false;
  asked_ = true;
  const Json body = json["response"].is_object() ? json["response"] : json;
  if (const auto model = body["model"].string()) session_model_ = std::string(*model);
  if (body["generate"].boolean() == false) {
    warming_up_ = true;
    return false;
  }
  warming_up_ = false;
  call.operation = Operation::kChat;
  call.streamed = true;
  call.model_requested = session_model_;
  read_request(body, call);
  return true;
}

void ResponsesParser::finish_reason(const Json& response, CallRecord& call) {
  auto reason = response["incomplete_details"]["reason"].string();
  if (!reason) reason = response["status"].string();
  if (reason) call.finish_reason = std::string(*reason);
}

void ResponsesParser::answer(const Json& response, CallRecord& call) {
  if (const auto model = response["model"].string(); model && !model->empty()) {
    call.model_served = std::string(*model);
  }
  call.response_id = response["id"].str();
  stream_.replace(response["output"], call);
  apply_openai_usage(response, call);
  finish_reason(response, call);
  if (const auto tier = response["service_tier"].string()) note_service_tier(*tier, call);
  if (auto effective = object_of(response, kEffective); !effective.empty()) {
    call.vendor.push_back({"effective_params", std::move(effective)});
  }
  // A stored prompt: the template filled in is the input that the model saw.
  if (response["prompt"].is_object() && response["instructions"].is_array()) {
    call.vendor.push_back({"prompt_instructions", dump_without_media(response["instructions"])});
  }
  for (const auto item : response["output"].elements()) {
    if (item["type"].string() != "mcp_list_tools") continue;
    for (const auto tool : item["tools"].elements()) {
      call.tools.push_back(read_openai_tool(tool));
      call.tools.back().wire_type = "mcp";
    }
  }
  if (response["error"].is_object()) read_stream_error(response, call);
}

Step ResponsesParser::event(const BodyEvent& event, const Json& json, CallRecord& call) {
  if (!asked_) call.partial = true;  // no server answers unasked: the request was lost
  if (event.data == "[DONE]") return Step::kCallDone;
  if (!json.is_object()) return Step::kContinue;
  std::string_view type = json["type"].string().value_or("");
  const Json response = json["response"];
  const bool last = type == "response.completed" || type == "response.incomplete" ||
                    type == "response.failed" || type == "response.cancelled" ||
                    type == "response.done";
  if (warming_up_) {
    if (last || type == "error") warming_up_ = false;
    return Step::kContinue;
  }
  if (type.empty()) {  // not streamed
    answer(json, call);
    return Step::kContinue;
  }
  if (last) {
    answer(response, call);
    return Step::kCallDone;
  }
  if (type == "error") {
    read_stream_error(json, call);
    return Step::kCallDone;
  }
  if (type == "response.created") {
    call.response_id = response["id"].str();
    if (const auto model = response["model"].string()) call.model_served = std::string(*model);
  } else if (type.starts_with("response.")) {
    stream_.event(type.substr(9), json, event.ts_ns, call);
  }
  return Step::kContinue;
}

}  // namespace

extern const Provider kOpenAiResponses;
const Provider kOpenAiResponses = {"openai_responses", matches, confirms,
                                   [] { return std::unique_ptr<CallParser>(new ResponsesParser); }};

}  // namespace llmtap
