// SPDX-License-Identifier: Apache-2.0
//
// Chat completions: POST {prefix}/chat/completions. Azure has the deployment in the path.
// https://platform.openai.com/docs/api-reference/chat
//
//   {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "stream": true}
//   data: {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "gpt-4o-2024-08-06",
//          "choices": [{"index": 0, "delta": {"role": "assistant", "content": "he"}}]}
//   data: [DONE]
//
// Quirks: usage in a stream only on request, and then in a last chunk without choices; some vendors
// repeat a growing usage in every chunk (the last one counts), Groq has it in `x_groq`. Azure's
// first chunk has no choices and no model. An error may come as an event of a good stream.
#include "parsers/providers/openai_chat.h"

#include <algorithm>

#include "parsers/providers/common.h"
#include "parsers/providers/openai_common.h"

namespace llmtap {
namespace {

constexpr std::size_t kMaxChoices = 1024;
constexpr std::size_t kMaxToolCalls = 4096;

constexpr std::string_view kParams[] = {"audio",
                                        "clear_thinking",
                                        "enable_thinking",
                                        "frequency_penalty",
                                        "function_call",
                                        "guardrails",
                                        "logit_bias",
                                        "logprobs",
                                        "max_completion_tokens",
                                        "max_tokens",
                                        "min_p",
                                        "modalities",
                                        "models",
                                        "n",
                                        "parallel_tool_calls",
                                        "prediction",
                                        "presence_penalty",
                                        "prompt_mode",
                                        "provider",
                                        "random_seed",
                                        "reasoning",
                                        "reasoning_effort",
                                        "reasoning_format",
                                        "repetition_penalty",
                                        "response_format",
                                        "safe_prompt",
                                        "search_settings",
                                        "seed",
                                        "service_tier",
                                        "stop",
                                        "store",
                                        "stream",
                                        "stream_options",
                                        "temperature",
                                        "thinking",
                                        "tool_choice",
                                        "top_k",
                                        "top_logprobs",
                                        "top_p",
                                        "transforms",
                                        "user",
                                        "verbosity",
                                        "web_search_options"};

Match matches(const RequestHead& head) {
  if (head.method != "POST" && !head.method.empty()) return Match::kNo;
  if (path_ends(head.path, "/chat/completions")) return Match::kYes;
  if ((path_ends(head.path, "/text/chat") || path_ends(head.path, "/text/chat_stream")) &&
      head.path.find("/ml/v1") != std::string::npos) {
    return Match::kYes;  // watsonx
  }
  if (path_ends(head.path, "/agents/completions")) return Match::kYes;  // Mistral
  if (path_ends(head.path, "inference:complete")) return Match::kYes;   // Snowflake
  const bool maybe = path_ends(head.path, "/v1/chat") || serving_endpoint(head.path);  // Writer
  return maybe ? Match::kIfBody : Match::kNo;
}

// Unknown path, known shape: a model and messages with OpenAI's roles and nothing that only
// another dialect has.
bool confirms(const RequestHead& head, const Json& body) {
  if (head.method != "POST") return false;
  const Json first = body["messages"].at(0);
  if (serving_endpoint(head.path)) return first["role"].is_string();
  return body["model"].is_string() && first["role"].is_string() && first["content"].exists() &&
         !body["system"] && !body["anthropic_version"] && !body["max_tokens_to_sample"] &&
         !body["options"] && !body["inferenceConfig"];
}

int rank(const Part& part) {
  switch (part.kind) {
    case PartKind::kReasoning:
      return 0;
    case PartKind::kText:
      return 1;
    case PartKind::kRefusal:
      return 2;
    case PartKind::kToolCall:
      return 4;
    default:
      return 3;
  }
}

// Most deltas are a role, a text or nothing, and there are very many of them.
struct PlainDelta {
  std::string_view role;
  std::string_view text;
};

std::optional<PlainDelta> plain_delta(const Json& delta) {
  PlainDelta out;
  for (const auto [key, value] : delta.members()) {
    const auto text = value.string();
    if (text && key == "content") {
      out.text = *text;
    } else if (text && key == "role" && *text == "assistant") {
      out.role = *text;
    } else if (!value.is_null()) {
      return std::nullopt;
    }
  }
  return out;
}

}  // namespace

ChatStream::Choice& ChatStream::choice(std::int64_t index, CallRecord& call) {
  if (const auto found = choices_.find(index); found != choices_.end()) return found->second;
  if (choices_.size() >= kMaxChoices) return choices_.begin()->second;
  call.output.emplace_back();
  return choices_.emplace(index, Choice{call.output.size() - 1, {}, {}, 0, 0}).first->second;
}

Part& ChatStream::part(Choice& choice, PartKind kind, CallRecord& call) {
  auto& parts = call.output[choice.message].parts;
  const auto [slot, fresh] = choice.parts.try_emplace(kind, parts.size());
  if (fresh) {
    parts.emplace_back();
    parts.back().kind = kind;
  }
  return parts[slot->second];
}

// A piece goes on with the call of its index; without an index, with the one last begun. An id that
// differs begins a new call even under a used index, and so does a named piece without an index.
void ChatStream::tool_delta(Choice& choice, const Json& piece, std::vector<Part>& parts) {
  const Part read = read_openai_tool_call(piece);
  const auto index = piece["index"].integer();
  const bool begins = !read.tool_id.empty() || !read.tool_name.empty();
  std::optional<std::size_t> at;
  if (index) {
    const auto slot = choice.tools.find(*index);
    if (slot != choice.tools.end()) at = slot->second.back();
  } else if (!begins && choice.tool_count > 0) {
    at = choice.last_tool;
  }
  if (at && !read.tool_id.empty() && !parts[*at].tool_id.empty() &&
      parts[*at].tool_id != read.tool_id) {
    at.reset();
  }
  if (at) {
    Part& whole = parts[*at];
    if (whole.tool_id.empty()) whole.tool_id = read.tool_id;
    if (whole.tool_name.empty()) whole.tool_name = read.tool_name;
    whole.arguments += read.arguments;
    return;
  }
  if (choice.tool_count >= kMaxToolCalls) return;
  const std::int64_t next = choice.tools.empty() ? 0 : choice.tools.rbegin()->first + 1;
  choice.tools[index.value_or(next)].push_back(parts.size());
  choice.last_tool = parts.size();
  ++choice.tool_count;
  parts.push_back(read);
}

bool ChatStream::tool_deltas(Choice& choice, const Json& delta, CallRecord& call) {
  bool any = false;
  for (const auto piece : delta["tool_calls"].elements()) {
    tool_delta(choice, piece, call.output[choice.message].parts);
    any = true;
  }
  return any;
}

void ChatStream::delta(const Json& json, TimeNs ts_ns, CallRecord& call) {
  const auto [index, delta, reason] = json.select({"index", "delta", "finish_reason"});
  Choice& target = choice(index.integer().value_or(0), call);
  if (const auto text = reason.string(); text && !text->empty()) {
    call.output[target.message].finish_reason = std::string(*text);
  }
  if (const auto plain = plain_delta(delta)) {
    auto& message = call.output[target.message];
    if (message.role.empty()) message.role = plain->role;
    if (plain->text.empty()) return;
    part(target, PartKind::kText, call).text += plain->text;
    return mark_token(call, ts_ns);
  }
  const Message read = read_openai_message(delta);
  bool content = tool_deltas(target, delta, call);
  auto& message = call.output[target.message];
  if (message.role.empty()) message.role = read.role;
  for (const auto& piece : read.parts) {
    if (piece.kind == PartKind::kToolCall && piece.wire_type != "function_call") continue;
    const bool legacy_call = piece.kind == PartKind::kToolCall;
    if (piece.kind == PartKind::kText && piece.text.empty()) continue;
    content = true;
    Part& whole = part(target, piece.kind, call);
    if (whole.wire_type.empty()) whole.wire_type = piece.wire_type;
    if (legacy_call && whole.tool_name.empty()) whole.tool_name = piece.tool_name;
    whole.arguments += piece.arguments;
    whole.text += piece.text;
    if (piece.bytes) whole.bytes = whole.bytes.value_or(0) + *piece.bytes;
    if (whole.media_type.empty()) whole.media_type = piece.media_type;
    if (whole.reference.empty()) whole.reference = piece.reference;
  }
  if (content) mark_token(call, ts_ns);
}

void ChatStream::finish(CallRecord& call) {
  std::vector<Message> ordered;
  for (auto& [index, choice] : choices_) {
    Message message = std::move(call.output[choice.message]);
    // Tool calls in the order of their index, then all parts by kind.
    std::vector<Part> parts;
    for (auto& part : message.parts) {
      if (part.kind != PartKind::kToolCall || part.wire_type == "function_call") {
        parts.push_back(part);
      }
    }
    for (const auto& [tool, positions] : choice.tools) {
      for (const auto at : positions) parts.push_back(message.parts[at]);
    }
    std::stable_sort(parts.begin(), parts.end(),
                     [](const Part& a, const Part& b) { return rank(a) < rank(b); });
    message.parts = std::move(parts);
    ordered.push_back(std::move(message));
  }
  if (!ordered.empty()) call.output = std::move(ordered);
  choices_.clear();
}

void ChatParser::request(const RequestHead& head, const RequestBody& body, CallRecord& call) {
  call.operation = Operation::kChat;
  call.model_requested = requested_model(head, body.json);
  call.streamed = body.json["stream"].boolean().value_or(false);
  read_params(body.json, kParams, call);
  for (const auto message : body.json["messages"].elements()) {
    call.input.push_back(read_openai_message(message));
  }
  read_openai_tools(body.json, call);
  read_openai_identity(body.json, call);
}

void ChatParser::whole(const Json& json, CallRecord& call) {
  call.streamed = false;
  for (const auto choice : json["choices"].elements()) {
    Message message = read_openai_message(choice["message"]);
    if (const auto reason = choice["finish_reason"].string()) {
      message.finish_reason = std::string(*reason);
    }
    call.output.push_back(std::move(message));
  }
}

Step ChatParser::event(const BodyEvent& event, const Json& json, CallRecord& call) {
  if (event.data == "[DONE]") return Step::kCallDone;
  if (!json.is_object()) {
    apply_error_text(event.data, call);
    return Step::kContinue;
  }
  const auto [model, id, choices, usage, x_groq, error, object, tier] =
      json.select({"model", "id", "choices", "usage", "x_groq", "error", "object", "service_tier"});
  const Json first = choices.at(0);
  if (const auto name = model.string(); name && !name->empty() && call.model_served != *name) {
    call.model_served = std::string(*name);
  }
  if (call.response_id.empty()) call.response_id = id.str();
  if (const auto word = tier.string()) note_service_tier(*word, call);
  // Most events have neither of these.
  if (usage.is_object() || x_groq || first["usage"]) apply_openai_usage(json, call);
  const bool bad_status = call.http_status.value_or(200) >= 400;
  if ((error && !error.is_null()) || object.string() == "error" || bad_status) {
    apply_openai_error(json, call);
  }
  // A filtered choice may have neither a message nor a delta.
  const auto [message, delta] = first.select({"message", "delta"});
  if (message.is_object() || (!delta && !call.streamed)) {
    whole(json, call);
  } else {
    for (const auto choice : choices.elements()) {
      call.streamed = true;
      stream_.delta(choice, event.ts_ns, call);
    }
  }
  return Step::kContinue;
}

void ChatParser::finish(CallRecord& call) {
  stream_.finish(call);
  if (!call.output.empty()) call.finish_reason = call.output.front().finish_reason;
}

extern const Provider kOpenAiChat;
const Provider kOpenAiChat = {"openai_chat", matches, confirms,
                              [] { return std::unique_ptr<CallParser>(new ChatParser); }};

}  // namespace llmtap
