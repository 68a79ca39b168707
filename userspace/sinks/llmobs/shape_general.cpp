// SPDX-License-Identifier: Apache-2.0
//
// Vendors that the SDK has no integration for (Cohere, Ollama native, Replicate, ...): the event
// follows the shape rules of the contract (datadog-llmobs 1.8) with nothing vendor-specific.
#include "userspace/sinks/llmobs/shape.h"

namespace llmtap::llmobs {
namespace {

std::string request_name(const CallRecord& call) {
  return (call.provider.empty() ? std::string("llm") : call.provider) + ".request";
}

std::string model(const CallRecord& call) { return served_model(call, "unknown"); }

std::string provider(const CallRecord& call) {
  return call.provider.empty() ? "unknown" : call.provider;
}

Value input(const CallRecord& call) {
  if (call.operation == Operation::kEmbeddings) return embedding_input(call);
  if (call.operation == Operation::kRerank || call.operation == Operation::kRetrieval) {
    const auto messages = general_messages(call.input, "\n");
    return {{"value", messages.empty() ? "" : messages.back()["content"]}};
  }
  return {{"messages", general_messages(call.input, "\n")}};
}

Value output(const CallRecord& call) {
  if (call.operation == Operation::kEmbeddings) return embedding_output(call);
  if (call.operation == Operation::kRerank || call.operation == Operation::kRetrieval) {
    Value documents = Value::array();
    for (const auto& shaped : general_messages(call.output, "\n")) {
      documents.push_back({{"text", shaped["content"]}});
    }
    return {{"documents", documents}};
  }
  auto messages = general_messages(call.output, "");
  if (messages.empty()) messages.push_back(message("assistant", ""));
  return {{"messages", messages}};
}

Value metadata(const CallRecord& call) {
  Value all = Value::object();
  for (const auto& param : call.params) {
    auto value = json_or_string(param.json);
    if (!value.is_null()) all[param.name] = std::move(value);
  }
  return all;
}

}  // namespace

const Shape kGeneralShape = {"llmtap",      request_name, model,      provider,
                             input,         output,       metadata,   tool_definitions,
                             usage_metrics, "",           "assistant"};

}  // namespace llmtap::llmobs
