// SPDX-License-Identifier: Apache-2.0
//
// Ollama's native API: POST /api/chat, /api/generate, /api/embed and /api/embeddings.
// https://github.com/ollama/ollama/blob/main/docs/api.md
//
//   {"model": "llama3", "messages": [{"role": "user", "content": "hi", "images": ["<base64>"]}]}
//   {"model": "llama3", "message": {"role": "assistant", "content": "Here"}, "done": false}
//   {"done": true, "done_reason": "stop", "prompt_eval_count": 17, "eval_count": 63, ...}
//
// Quirks: answers are JSON lines and stream unless told not to; prompt_eval_count is left out when
// the prompt was cached; tool arguments are an object; sampling parameters stand in `options`.
#include "parsers/providers/common.h"
#include "parsers/providers/openai_common.h"

namespace llmtap {
namespace {

constexpr std::string_view kParams[] = {"format", "keep_alive", "options", "raw",
                                        "stream", "suffix",     "think",   "truncate"};

Match matches(const RequestHead& head) {
  if (head.method != "POST" && !head.method.empty()) return Match::kNo;
  for (const auto path : {"/api/chat", "/api/generate", "/api/embed", "/api/embeddings"}) {
    if (path_ends(head.path, path)) return Match::kIfBody;
  }
  return Match::kNo;
}

bool confirms(const RequestHead& head, const Json& body) {
  return matches(head) != Match::kNo && body["model"].is_string() &&
         (body["messages"].is_array() || body["prompt"].exists() || body["input"].exists());
}

class OllamaParser final : public CallParser {
 public:
  void request(const RequestHead& head, const RequestBody& body, CallRecord& call) override {
    const Json& json = body.json;
    call.model_requested = requested_model(head, json);
    read_params(json, kParams, call);
    if (path_ends(head.path, "/api/embed") || path_ends(head.path, "/api/embeddings")) {
      call.operation = Operation::kEmbeddings;
      const Json input = json["input"] ? json["input"] : json["prompt"];
      for (const auto one : input.elements()) call.documents.push_back(one.str());
      if (input.is_string()) call.documents.push_back(input.str());
      return;
    }
    call.operation = json["messages"] ? Operation::kChat : Operation::kTextCompletion;
    call.streamed = json["stream"].boolean().value_or(true);
    read_openai_tools(json, call);
    if (const auto system = json["system"].string(); system && !system->empty()) {
      add(call, "system", json, *system);
    }
    for (const auto message : json["messages"].elements()) call.input.push_back(read(message));
    if (const auto prompt = json["prompt"].string()) add(call, "user", json, *prompt);
  }

  Step event(const BodyEvent& event, const Json& json, CallRecord& call) override {
    if (!json.is_object()) {
      apply_error_text(event.data, call);
      return Step::kContinue;
    }
    if (const auto model = json["model"].string()) call.model_served = std::string(*model);
    apply_openai_error(json, call);
    if (const auto text = json["response"].string()) {
      append_text(answer(call), PartKind::kReasoning, json["thinking"].string().value_or(""));
      append_text(answer(call), PartKind::kText, *text);
    }
    for (auto& part : read(json["message"]).parts) take(std::move(part), call);
    if (call.streamed && !json["done"].boolean().value_or(true)) mark_token(call, event.ts_ns);
    embeddings(json, call);
    return json["done"].boolean().value_or(false) ? done(json, call) : Step::kContinue;
  }

 private:
  // A chat message; images are inline base64 without a media type.
  static Message read(const Json& json) {
    Message message;
    message.role = json["role"].str();
    if (const auto thinking = json["thinking"].string(); thinking && !thinking->empty()) {
      append_text(message, PartKind::kReasoning, *thinking);
    }
    if (message.role == "tool") {
      Part part;
      part.kind = PartKind::kToolResult;
      part.tool_name = (json["tool_name"] ? json["tool_name"] : json["name"]).str();
      part.text = json["content"].str();
      message.parts.push_back(std::move(part));
      return message;
    }
    append_text(message, PartKind::kText, json["content"].string().value_or(""));
    for (const auto image : json["images"].elements()) {
      message.parts.push_back(
          media_from_base64(PartKind::kImage, "image", "", image.string().value_or("")));
    }
    for (const auto tool : json["tool_calls"].elements()) {
      Part part = read_openai_tool_call(tool);
      const Json arguments = tool["function"]["arguments"];
      if (arguments.is_object()) part.arguments = arguments.dump();
      message.parts.push_back(std::move(part));
    }
    return message;
  }

  static void add(CallRecord& call, std::string_view role, const Json& json,
                  std::string_view text) {
    Message message;
    message.role = std::string(role);
    message.parts.push_back(text_part("text", text));
    if (role == "user") {
      for (const auto image : json["images"].elements()) {
        message.parts.push_back(
            media_from_base64(PartKind::kImage, "image", "", image.string().value_or("")));
      }
    }
    call.input.push_back(std::move(message));
  }

  static void take(Part part, CallRecord& call) {
    Message& message = answer(call);
    if (part.kind == PartKind::kText || part.kind == PartKind::kReasoning) {
      append_text(message, part.kind, part.text);
    } else {
      message.parts.push_back(std::move(part));
    }
  }

  static void embeddings(const Json& json, CallRecord& call) {
    if (const Json one = json["embedding"]; one.is_array()) {
      call.embedding_count = 1;
      call.embedding_size = one.size();
    }
    if (const Json all = json["embeddings"]; all.is_array()) {
      call.embedding_count = all.size();
      call.embedding_size = all.at(0).size();
    }
    if (call.operation == Operation::kEmbeddings) {
      if (const auto tokens = json["prompt_eval_count"].count()) call.usage.input_uncached = tokens;
    }
  }

  static Step done(const Json& json, CallRecord& call) {
    call.usage.input_uncached = json["prompt_eval_count"].count();
    call.usage.output_visible = json["eval_count"].count();
    if (const auto reason = json["done_reason"].string()) {
      call.finish_reason = std::string(*reason);
      answer(call).finish_reason = call.finish_reason;
    }
    return Step::kCallDone;
  }
};

}  // namespace

extern const Provider kOllama;
const Provider kOllama = {"ollama", matches, confirms,
                          [] { return std::unique_ptr<CallParser>(new OllamaParser); }};

}  // namespace llmtap
