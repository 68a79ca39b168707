// SPDX-License-Identifier: Apache-2.0
//
// dd-trace-py's `mistralai` integration (datadog-llmobs 5.8). Mistral speaks OpenAI's dialect; its
// integration shapes the same records in its own way: a content that is a list gives one message
// for each piece, the result of a tool is plain content, null parameters are left out.
#include "userspace/sinks/llmobs/shape.h"

namespace llmtap::llmobs {
namespace {

std::string request_name(const CallRecord&) { return "mistralai.request"; }

std::string model(const CallRecord& call) { return served_model(call, "unknown_model"); }

std::string provider(const CallRecord&) { return "mistral"; }

// Pieces of a list have a wire type, a plain string has none. Media have no text in the SDK.
bool from_list(const Part& part) { return !part.wire_type.empty(); }

Value tool_calls(const Message& wire) {
  Value calls = Value::array();
  for (const auto& part : wire.parts) {
    if (part.kind == PartKind::kToolCall) calls.push_back(tool_call(part, "function"));
  }
  return calls;
}

void input_messages(const Message& wire, Value& list) {
  const std::size_t before = list.size();
  for (const auto& part : wire.parts) {
    if (part.kind == PartKind::kReasoning) {
      list.push_back(message("reasoning", part.text));
    } else if (part.kind != PartKind::kToolCall) {
      list.push_back(message(wire.role, part.text));
    }
  }
  Value calls = tool_calls(wire);
  if (calls.empty()) {
    // Null and empty contents are a message too, if nothing else is said.
    if (list.size() == before) list.push_back(message(wire.role, ""));
    return;
  }
  const bool plain = list.size() == before + 1 && !wire.parts.empty() &&
                     wire.parts.front().kind == PartKind::kText && !from_list(wire.parts.front());
  if (!plain) list.push_back(message(wire.role, ""));
  list.back()["tool_calls"] = std::move(calls);
}

// Everything that was thought, then everything that was said.
void output_messages(const Message& wire, Value& list) {
  std::string reasoning, text;
  for (const auto& part : wire.parts) {
    if (part.kind == PartKind::kReasoning) reasoning += part.text;
    if (part.kind == PartKind::kText) text += part.text;
  }
  if (!reasoning.empty()) list.push_back(message("reasoning", reasoning));
  Value said = message(wire.role.empty() ? "assistant" : wire.role, text);
  if (Value calls = tool_calls(wire); !calls.empty()) said["tool_calls"] = std::move(calls);
  list.push_back(std::move(said));
}

Value input(const CallRecord& call) {
  if (call.operation == Operation::kEmbeddings) return embedding_input(call);
  Value list = Value::array();
  for (const auto& wire : call.input) {
    if (wire.role.empty()) {  // fill in the middle: the prompt of a user
      for (const auto& part : wire.parts) list.push_back(message("user", part.text));
    } else {
      input_messages(wire, list);
    }
  }
  if (const auto suffix = param(call, "suffix"); suffix && suffix->is_string()) {
    list.push_back(message("user", suffix->get<std::string>()));
  }
  return {{"messages", std::move(list)}};
}

Value output(const CallRecord& call) {
  if (call.operation == Operation::kEmbeddings) return embedding_output(call);
  Value list = Value::array();
  for (const auto& wire : call.output) output_messages(wire, list);
  if (list.empty()) list.push_back(message("assistant", ""));
  return {{"messages", std::move(list)}};
}

Value metadata(const CallRecord& call) {
  Value picked =
      call.operation == Operation::kEmbeddings
          ? pick_params(call, {"output_dimension", "output_dtype", "encoding_format"})
          : pick_params(call, {"temperature", "top_p", "max_tokens", "stop", "random_seed",
                               "response_format", "presence_penalty", "frequency_penalty", "n",
                               "parallel_tool_calls", "reasoning_effort", "prompt_mode",
                               "guardrails", "safe_prompt"});
  for (auto it = picked.begin(); it != picked.end();) {
    it = it->is_null() ? picked.erase(it) : std::next(it);
  }
  return picked;
}

Value metrics(const CallRecord& call) {
  Value metrics = usage_metrics(call);
  // The SDK knows `num_cached_tokens` only and tells its zero too. What the answer says under
  // another name is kept where it counts for something.
  if (call.usage.cache_read == 0u && !vendor_value(call, "num_cached_tokens")) {
    metrics.erase("cache_read_input_tokens");
  }
  if (call.operation == Operation::kEmbeddings && metrics.contains("input_tokens")) {
    metrics["output_tokens"] = call.usage.output().value_or(0);
  }
  return metrics;
}

}  // namespace

const Shape kMistralShape = {"mistralai", request_name,
                             model,       provider,
                             input,       output,
                             metadata,    tool_definitions,
                             metrics,     "mistralai.models.sdkerror.SDKError",
                             "assistant"};

}  // namespace llmtap::llmobs
