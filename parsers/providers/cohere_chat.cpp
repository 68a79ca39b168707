// SPDX-License-Identifier: Apache-2.0
//
// Cohere chat: POST /v2/chat and the older POST /v1/chat.
// https://docs.cohere.com/reference/chat
//
//   v2  {"model", "messages": [{"role", "content"}], "tools": [...], "stream": true}
//       event: content-delta  {"type": "content-delta", "delta": {"message": {"content":
//       {"text"}}}} event: message-end    {"delta": {"finish_reason", "usage": {"billed_units",
//       "tokens"}}}
//   v1  {"model", "message": "hi", "chat_history": [{"role": "USER", "message"}], "preamble"}
//       {"event_type": "text-generation", "text"} ... {"event_type": "stream-end", "response": {}}
//
// Quirks: v1 streams are JSON lines whose last holds the whole answer; a tool plan stands beside
// the tool calls; usage counts what is billed, not what the model saw.
#include "parsers/providers/cohere_common.h"
#include "parsers/providers/common.h"
#include "parsers/providers/openai_common.h"

namespace llmtap {
namespace {

constexpr std::size_t kMaxToolCalls = 1024;

constexpr std::string_view kParams[] = {"citation_options",
                                        "frequency_penalty",
                                        "k",
                                        "logprobs",
                                        "max_tokens",
                                        "p",
                                        "presence_penalty",
                                        "prompt_truncation",
                                        "reasoning_effort",
                                        "response_format",
                                        "safety_mode",
                                        "seed",
                                        "stop_sequences",
                                        "stream",
                                        "strict_tools",
                                        "temperature",
                                        "thinking",
                                        "tool_choice"};

Match matches(const RequestHead& head) {
  if (head.method != "POST" && !head.method.empty()) return Match::kNo;
  if (path_ends(head.path, "/v2/chat")) return Match::kYes;
  return path_ends(head.path, "/v1/chat") ? Match::kIfBody : Match::kNo;
}

bool confirms(const RequestHead& head, const Json& body) {
  return path_ends(head.path, "/v1/chat") && body["message"].is_string();
}

class CohereChatParser final : public CallParser {
 public:
  void request(const RequestHead& head, const RequestBody& body, CallRecord& call) override {
    call.operation = Operation::kChat;
    call.model_requested = requested_model(head, body.json);
    call.streamed = body.json["stream"].boolean().value_or(false);
    read_params(body.json, kParams, call);
    read_tools(body.json, call);
    if (const auto preamble = body.json["preamble"].string()) add(call, "system", *preamble);
    for (const auto turn : body.json["chat_history"].elements()) {
      add(call, turn["role"].str(), turn["message"].string().value_or(""));
      for (const auto tool : turn["tool_calls"].elements()) {
        call.input.back().parts.push_back(v1_tool_call(tool));
      }
      read_tool_results(turn["tool_results"], call);
    }
    for (const auto message : body.json["messages"].elements()) {
      call.input.push_back(read_message(message));
    }
    const auto message = body.json["message"].string();
    if (message && !message->empty()) add(call, "user", *message);
    read_tool_results(body.json["tool_results"], call);
  }

  Step event(const BodyEvent& event, const Json& json, CallRecord& call) override {
    if (event.data == "[DONE]") return Step::kCallDone;
    if (!json.is_object()) {
      apply_error_text(event.data, call);
      return Step::kContinue;
    }
    if (const auto type = json["type"].string()) {
      stream_v2(*type, json, event.ts_ns, call);
    } else if (const auto old = json["event_type"].string()) {
      stream_v1(*old, json, event.ts_ns, call);
    } else {
      whole(json, call);
    }
    return Step::kContinue;
  }

 private:
  // v2 has OpenAI's form, v1 {"name", "description", "parameter_definitions": {name: {"type"}}}.
  static void read_tools(const Json& body, CallRecord& call) {
    read_openai_tools(body, call);
    std::size_t at = 0;
    for (const auto tool : body["tools"].elements()) {
      const Json old = tool["parameter_definitions"];
      if (!tool.is_object()) continue;
      if (old.is_object()) call.tools[at].schema = old.dump();
      ++at;
    }
  }

  // Beside OpenAI's form: a plan in front of tool calls, results as a list of documents.
  static Message read_message(const Json& json) {
    Message message = read_openai_message(json);
    if (const auto plan = json["tool_plan"].string(); plan && !plan->empty()) {
      message.parts.insert(message.parts.begin(), text_part("text", *plan));
    }
    for (auto& part : message.parts) {
      if (part.kind == PartKind::kToolResult && part.text.empty()) part.text = part.raw;
    }
    return message;
  }

  static Part v1_tool_call(const Json& tool) {
    Part part;
    part.kind = PartKind::kToolCall;
    part.tool_name = tool["name"].str();
    part.arguments = tool["parameters"].dump();
    return part;
  }

  // [{"call": {"name", "parameters"}, "outputs": [{...}]}]
  static void read_tool_results(const Json& results, CallRecord& call) {
    for (const auto result : results.elements()) {
      Message message;
      message.role = "tool";
      Part part;
      part.kind = PartKind::kToolResult;
      part.tool_name = result["call"]["name"].str();
      part.text = dump_without_media(result["outputs"]);
      message.parts.push_back(std::move(part));
      call.input.push_back(std::move(message));
    }
  }

  static void add(CallRecord& call, std::string role, std::string_view text) {
    Message message;
    message.role = std::move(role);
    message.parts.push_back(text_part("text", text));
    call.input.push_back(std::move(message));
  }

  // Citations stay beside the text that they belong to, as the vendor wrote them.
  static void cite(const Json& citations, CallRecord& call) {
    for (auto& part : answer(call).parts) {
      if (part.kind != PartKind::kText || !citations || citations.is_null()) continue;
      const std::string one =
          citations.is_array() ? citations.dump() : "[" + citations.dump() + "]";
      if (one == "[]") return;
      if (part.raw.empty()) {
        part.raw = one;
      } else {
        part.raw.back() = ',';
        part.raw += one.substr(1);
      }
      return;
    }
  }

  static void end(const Json& holder, CallRecord& call) {
    if (const auto reason = holder["finish_reason"].string()) {
      call.finish_reason = std::string(*reason);
      answer(call).finish_reason = call.finish_reason;
    }
    apply_cohere_usage(holder, call);
  }

  void stream_v2(std::string_view type, const Json& json, TimeNs ts_ns, CallRecord& call) {
    call.streamed = true;
    const Json delta = json["delta"];
    const Json message = delta["message"];
    if (type == "message-start") {
      call.response_id = json["id"].str();
    } else if (type == "content-start" || type == "content-delta") {
      const Json content = message["content"];
      append_text(answer(call), PartKind::kReasoning, content["thinking"].string().value_or(""));
      append_text(answer(call), PartKind::kText, content["text"].string().value_or(""));
      if (type == "content-delta") mark_token(call, ts_ns);
    } else if (type == "tool-plan-delta") {
      append_text(answer(call), PartKind::kText, message["tool_plan"].string().value_or(""));
      mark_token(call, ts_ns);
    } else if (type == "tool-call-start") {
      auto& parts = answer(call).parts;
      if (parts.size() < kMaxToolCalls)
        parts.push_back(read_openai_tool_call(message["tool_calls"]));
      mark_token(call, ts_ns);
    } else if (type == "tool-call-delta") {
      auto& parts = answer(call).parts;
      if (!parts.empty() && parts.back().kind == PartKind::kToolCall) {
        parts.back().arguments += read_openai_tool_call(message["tool_calls"]).arguments;
      }
      mark_token(call, ts_ns);
    } else if (type == "citation-start") {
      cite(message["citations"], call);
    } else if (type == "message-end") {
      end(delta, call);
    }
  }

  void stream_v1(std::string_view type, const Json& json, TimeNs ts_ns, CallRecord& call) {
    call.streamed = true;
    if (type == "stream-start") {
      call.response_id = json["generation_id"].str();
    } else if (type == "text-generation") {
      append_text(answer(call), PartKind::kText, json["text"].string().value_or(""));
      mark_token(call, ts_ns);
    } else if (type == "stream-end") {
      call.output.clear();  // the whole answer follows
      whole(json["response"], call);
      if (const auto reason = json["finish_reason"].string())
        call.finish_reason = std::string(*reason);
    }
  }

  void whole(const Json& json, CallRecord& call) {
    if (apply_openai_error(json, call) && !json["text"] && json["message"].is_string()) return;
    call.response_id = (json["id"] ? json["id"] : json["response_id"]).str();
    if (json["message"].is_object()) {
      const Json message = json["message"];
      append_text(answer(call), PartKind::kText, message["tool_plan"].string().value_or(""));
      for (auto& part : read_openai_message(message).parts) {
        answer(call).parts.push_back(std::move(part));
      }
      cite(message["citations"], call);
    } else {
      append_text(answer(call), PartKind::kText, json["text"].string().value_or(""));
      cite(json["citations"], call);
      for (const auto tool : json["tool_calls"].elements()) {
        answer(call).parts.push_back(v1_tool_call(tool));
      }
    }
    end(json, call);
  }
};

}  // namespace

extern const Provider kCohereChat;
const Provider kCohereChat = {"cohere_chat", matches, confirms,
                              [] { return std::unique_ptr<CallParser>(new CohereChatParser); }};

}  // namespace llmtap
