// SPDX-License-Identifier: Apache-2.0
//
// Streamed runs of the Assistants API. Everything else of it (a run that is started and then
// polled, threads, messages) shows no generation on the wire and is management.
// https://platform.openai.com/docs/api-reference/runs
//
//   POST {prefix}/threads/{id}/runs | /threads/runs | .../runs/{id}/submit_tool_outputs
//   {"assistant_id": "asst_1", "stream": true}
//   event: thread.run.created      {"model", "instructions", "tools"}
//   event: thread.message.delta    {"delta": {"content": [{"type": "text", "text": {"value"}}]}}
//   event: thread.run.completed    {"usage": {"prompt_tokens", ...}}
//   event: done                    [DONE]
#include <map>

#include "parsers/providers/common.h"
#include "parsers/providers/openai_common.h"

namespace llmtap {
namespace {

constexpr std::size_t kMaxToolCalls = 256;

constexpr std::string_view kParams[] = {"assistant_id",
                                        "max_completion_tokens",
                                        "max_prompt_tokens",
                                        "parallel_tool_calls",
                                        "reasoning_effort",
                                        "response_format",
                                        "stream",
                                        "temperature",
                                        "tool_choice",
                                        "top_p",
                                        "truncation_strategy"};

Match matches(const RequestHead& head) {
  if (head.method != "POST") return Match::kNo;
  const auto segments = path_segments(head.path);
  bool threads = false;
  for (const auto segment : segments) threads = threads || segment == "threads";
  if (!threads) return Match::kNo;
  const bool run = path_ends(head.path, "/runs") || path_ends(head.path, "/submit_tool_outputs");
  return run ? Match::kIfBody : Match::kNo;
}

bool confirms(const RequestHead& head, const Json& body) {
  return matches(head) == Match::kIfBody && body["stream"].boolean().value_or(false);
}

class RunParser final : public CallParser {
 public:
  void request(const RequestHead& head, const RequestBody& body, CallRecord& call) override {
    call.operation = Operation::kChat;
    call.streamed = true;
    call.model_requested = requested_model(head, body.json);
    read_params(body.json, kParams, call);
    for (const auto list : {body.json["thread"]["messages"], body.json["additional_messages"]}) {
      for (const auto wire : list.elements()) call.input.push_back(read_openai_message(wire));
    }
    for (const auto result : body.json["tool_outputs"].elements()) {
      Message message;
      message.role = "tool";
      Part part;
      part.kind = PartKind::kToolResult;
      part.wire_type = "tool_output";
      part.tool_id = result["tool_call_id"].str();
      part.text = result["output"].str();
      message.parts.push_back(std::move(part));
      call.input.push_back(std::move(message));
    }
    read_openai_identity(body.json, call);
  }

  Step event(const BodyEvent& event, const Json& json, CallRecord& call) override {
    if (event.data == "[DONE]" || event.name == "done") return Step::kCallDone;
    if (!json.is_object()) return Step::kContinue;
    if (event.name.starts_with("thread.run.step")) {
      if (event.name == "thread.run.step.delta") step_delta(json, event.ts_ns, call);
    } else if (event.name.starts_with("thread.run")) {
      run(json, call);
    } else if (event.name == "thread.message.delta") {
      message_delta(json, event.ts_ns, call);
    } else {
      apply_openai_error(json, call);
    }
    return Step::kContinue;
  }

 private:
  void run(const Json& run, CallRecord& call) {
    if (const auto model = run["model"].string()) call.model_served = std::string(*model);
    call.response_id = run["id"].str();
    if (call.session_id.empty()) call.session_id = run["thread_id"].str();
    apply_openai_usage(run, call);
    if (const auto status = run["status"].string()) call.finish_reason = std::string(*status);
    if (run["last_error"].is_object() && !call.error) {
      CallError error;
      error.code = run["last_error"]["code"].str();
      error.message = run["last_error"]["message"].str();
      error.in_stream = true;
      call.error = std::move(error);
    }
    if (call.tools.empty()) read_openai_tools(run, call);
    if (!instructed_) {
      instructed_ = true;
      if (const auto text = run["instructions"].string(); text && !text->empty()) {
        call.input.insert(call.input.begin(),
                          Message{"system", {text_part("", *text)}, std::nullopt, {}});
      }
    }
    const Json calls = run["required_action"]["submit_tool_outputs"]["tool_calls"];
    for (const auto wire : calls.elements())
      tool(wire["id"].str(), call) = read_openai_tool_call(wire);
  }

  void message_delta(const Json& json, TimeNs ts_ns, CallRecord& call) {
    for (const auto block : json["delta"]["content"].elements()) {
      const auto text = block["text"]["value"].string().value_or("");
      if (text.empty()) continue;
      auto& parts = output(call).parts;
      if (parts.empty() || parts.back().kind != PartKind::kText) {
        parts.push_back(text_part("text", ""));
      }
      parts.back().text += text;
      mark_token(call, ts_ns);
    }
  }

  void step_delta(const Json& json, TimeNs ts_ns, CallRecord& call) {
    for (const auto wire : json["delta"]["step_details"]["tool_calls"].elements()) {
      const Part read = read_openai_tool_call(wire);
      const auto index = wire["index"].str() + wire["index"].dump();
      if (!read.tool_id.empty()) ids_[index] = read.tool_id;
      const auto found = ids_.find(index);
      if (found == ids_.end()) continue;
      Part& whole = tool(found->second, call);
      if (whole.wire_type.empty()) whole.wire_type = read.wire_type;
      if (whole.tool_name.empty()) whole.tool_name = read.tool_name;
      whole.arguments += read.arguments;
      mark_token(call, ts_ns);
    }
  }

  static Message& output(CallRecord& call) {
    if (call.output.empty()) call.output.push_back({"assistant", {}, std::nullopt, {}});
    return call.output.front();
  }

  static Part& tool(const std::string& id, CallRecord& call) {
    auto& parts = output(call).parts;
    for (auto& part : parts) {
      if (part.kind == PartKind::kToolCall && part.tool_id == id) return part;
    }
    if (parts.size() >= kMaxToolCalls) return parts.back();
    parts.emplace_back();
    parts.back().kind = PartKind::kToolCall;
    parts.back().tool_id = id;
    return parts.back();
  }

  std::map<std::string, std::string> ids_;  // index of a step's tool call → its id
  bool instructed_ = false;
};

}  // namespace

extern const Provider kOpenAiAssistants;
const Provider kOpenAiAssistants = {"openai_assistants", matches, confirms,
                                    [] { return std::unique_ptr<CallParser>(new RunParser); }};

}  // namespace llmtap
