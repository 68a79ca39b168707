// SPDX-License-Identifier: Apache-2.0
//
// dd-trace-py's `openai` integration: chat completions, text completions, embeddings
// (datadog-llmobs 5.1.1-5.1.5). Images, audio and moderation have no span in the SDK; here they get
// one under the SDK's name of the operation, so that they are not invisible.
#include "userspace/sinks/llmobs/shape_openai.h"

#include <algorithm>
#include <cctype>

#include "userspace/sinks/llmobs/estimate.h"
#include "userspace/sinks/llmobs/react.h"

namespace llmtap::llmobs {
namespace {

// The SDK tests its base URL for these words; host and path are what the wire has of it.
bool base_url_has(const CallRecord& call, std::string_view word) {
  std::string url = call.host + call.path.substr(0, call.path.find('?'));
  std::transform(url.begin(), url.end(), url.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return url.find(word) != std::string::npos;
}

std::string_view method(const CallRecord& call) {
  if (call.dialect == "openai_responses") return "createResponse";
  if (call.dialect == "openai_assistants") return "createRun";
  if (call.dialect == "openai_realtime") return "createRealtimeResponse";
  switch (call.operation) {
    case Operation::kTextCompletion:
      return "createCompletion";
    case Operation::kEmbeddings:
      return "createEmbedding";
    case Operation::kImage:
      return "createImage";
    case Operation::kSpeech:
      return "createSpeech";
    case Operation::kTranscription:
      return "createTranscription";
    case Operation::kTranslation:
      return "createTranslation";
    case Operation::kModeration:
      return "createModeration";
    default:
      return "createChatCompletion";
  }
}

std::string trimmed(const std::string& text) {
  constexpr std::string_view kSpace = " \t\n\r\f\v";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

Value openai_call(const Part& part) {
  if (part.wire_type == "function_call") {  // legacy: no id, no type
    return {{"name", part.tool_name}, {"arguments", arguments(part.arguments)}};
  }
  return tool_call(part, part.wire_type.empty() ? "function" : part.wire_type);
}

Value tool_calls(const Message& wire) {
  Value calls = Value::array();
  for (const auto& part : wire.parts) {
    if (part.kind == PartKind::kToolCall) calls.push_back(openai_call(part));
  }
  return calls;
}

Value input_message(const Message& wire) {
  Value shaped = message(wire.role, openai_text(wire));
  Value results = Value::array();
  for (const auto& part : wire.parts) {
    if (part.kind != PartKind::kToolResult) continue;
    if (part.wire_type == "function") {  // legacy role "function": plain content
      shaped["content"] = part.text;
      continue;
    }
    results.push_back({{"name", part.tool_name},
                       {"result", part.text},
                       {"tool_id", part.tool_id},
                       {"type", "tool_result"}});
  }
  if (auto calls = tool_calls(wire); !calls.empty()) shaped["tool_calls"] = std::move(calls);
  if (!results.empty()) shaped["tool_results"] = std::move(results);
  if (wire.role != "system") fold_react(shaped, /*empty_content=*/true);
  return shaped;
}

Value chat_output(const CallRecord& call) {
  const bool chat = call.operation == Operation::kChat;
  Value list = Value::array();
  for (const auto& wire : call.output) {
    std::string reasoning;
    for (const auto& part : wire.parts) {
      // The SDK knows this spelling only; `reasoning` of other vendors it leaves out.
      if (part.kind == PartKind::kReasoning && part.wire_type == "reasoning_content") {
        reasoning += part.text;
      }
    }
    if (!reasoning.empty()) list.push_back(message("reasoning", reasoning));
    std::string text = openai_text(wire);
    if (call.streamed && chat) text = trimmed(text);
    Value shaped =
        message(call.streamed && chat && wire.role.empty() ? "assistant" : wire.role, text);
    if (auto calls = tool_calls(wire); !calls.empty()) shaped["tool_calls"] = std::move(calls);
    fold_react(shaped, /*empty_content=*/false);
    list.push_back(std::move(shaped));
  }
  // An answer without choices stays empty; no answer at all is one empty message.
  const bool answered = call.http_status && call.end == End::kComplete;
  if (list.empty() && !answered) list.push_back(message("", ""));
  return {{"messages", std::move(list)}};
}

// What the caller asked for: the official SDKs ask for base64 on their own and decode it (D3).
Value encoding_format(const CallRecord& call) {
  const auto asked = param(call, "encoding_format");
  if (!asked || asked->is_null()) return "float";
  return *asked == "base64" && call.sdk.name == "openai" ? Value("float") : *asked;
}

Value input(const CallRecord& call) {
  if (call.operation == Operation::kEmbeddings) return embedding_input(call);
  Value list = Value::array();
  for (const auto& wire : call.input) list.push_back(input_message(wire));
  if (list.empty() && call.operation == Operation::kTextCompletion) {
    list.push_back(message("", ""));
  }
  if (span_kind(call.operation) != "llm") return {{"value", list.dump()}};
  return {{"messages", std::move(list)}};
}

Value output(const CallRecord& call) {
  if (call.operation == Operation::kEmbeddings) {
    // The size is told of float lists only.
    CallRecord sized = {};
    sized.embedding_count = call.embedding_count;
    if (encoding_format(call) == "float") sized.embedding_size = call.embedding_size;
    return embedding_output(sized);
  }
  Value shaped = chat_output(call);
  if (span_kind(call.operation) != "llm") return {{"value", shaped["messages"].dump()}};
  return shaped;
}

Value metadata(const CallRecord& call) {
  switch (call.operation) {
    case Operation::kChat:
      return pick_params(call, {"stream",
                                "temperature",
                                "top_p",
                                "user",
                                "audio",
                                "frequency_penalty",
                                "function_call",
                                "logit_bias",
                                "logprobs",
                                "max_completion_tokens",
                                "max_tokens",
                                "modalities",
                                "n",
                                "parallel_tool_calls",
                                "prediction",
                                "presence_penalty",
                                "reasoning_effort",
                                "response_format",
                                "seed",
                                "service_tier",
                                "stop",
                                "store",
                                "stream_options",
                                "tool_choice",
                                "top_logprobs",
                                "web_search_options"});
    case Operation::kTextCompletion:
      return pick_params(call, {"stream", "temperature", "top_p", "user", "best_of", "echo",
                                "frequency_penalty", "logit_bias", "logprobs", "max_tokens", "n",
                                "presence_penalty", "seed", "stop", "stream_options", "suffix"});
    case Operation::kEmbeddings: {
      Value picked = pick_params(call, {"dimensions"});
      picked["encoding_format"] = encoding_format(call);
      return picked;
    }
    default: {
      Value all = Value::object();
      for (const auto& p : call.params) all[p.name] = json_or_string(p.json);
      return all;
    }
  }
}

Value metrics(const CallRecord& call) {
  Value metrics = usage_metrics(call);
  if (const auto estimate = estimate_tokens(call)) {
    metrics["input_tokens"] = estimate->input;
    metrics["output_tokens"] = estimate->output;
    metrics["total_tokens"] = estimate->input + estimate->output;
  }
  if (call.operation == Operation::kEmbeddings && metrics.contains("input_tokens") &&
      !metrics.contains("output_tokens")) {
    metrics["output_tokens"] = 0;
  }
  return metrics;
}

}  // namespace

std::string openai_name(const CallRecord& call) {
  std::string name = base_url_has(call, "azure")      ? "AzureOpenAI."
                     : base_url_has(call, "deepseek") ? "Deepseek."
                                                      : "OpenAI.";
  return name + std::string(method(call));
}

std::string openai_model(const CallRecord& call) { return served_model(call, "unknown_model"); }

std::string openai_provider(const CallRecord& call) {
  if (base_url_has(call, "azure")) return "azure_openai";
  if (base_url_has(call, "openai")) return "openai";
  if (base_url_has(call, "deepseek")) return "deepseek";
  return "unknown";
}

std::string openai_text(const Message& wire) {
  std::string text;
  bool first = true;
  const auto append = [&](std::string_view piece) {
    if (!first) text += '\n';
    first = false;
    text += piece;
  };
  for (const auto& part : wire.parts) {
    switch (part.kind) {
      case PartKind::kText:
        append(part.text);
        break;
      case PartKind::kImage:
        append("[image]");
        break;
      case PartKind::kAudio:
        // Output audio: its transcript is the content.
        append(part.text.empty() ? std::string_view("[audio]") : std::string_view(part.text));
        break;
      case PartKind::kRefusal:
      case PartKind::kVideo:
      case PartKind::kFile:
      case PartKind::kOther:
        // A refusal beside the content (no wire type) is not part of it.
        if (!part.wire_type.empty()) append("[" + part.wire_type + "]");
        break;
      case PartKind::kReasoning:
      case PartKind::kToolCall:
      case PartKind::kToolResult:
        break;
    }
  }
  return text;
}

const Shape kOpenAiShape = {"openai", openai_name, openai_model,     openai_provider, input,
                            output,   metadata,    tool_definitions, metrics,         "openai.",
                            ""};

}  // namespace llmtap::llmobs
