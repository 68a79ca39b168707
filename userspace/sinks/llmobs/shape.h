// SPDX-License-Identifier: Apache-2.0
//
// How one integration of the Datadog SDK (dd-trace-py) shapes its LLMObs spans. The record is
// neutral; every quirk of a vendor's integration lives in one shape_<integration>.cpp and the table
// in shape_table.cpp picks the shape for a record.
#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "parsers/core/call_record.h"

namespace llmtap::llmobs {

using Value = nlohmann::json;  // keys sorted, as the SDK writes them

struct Shape {
  std::string_view integration;  // tag `integration:`
  std::string (*name)(const CallRecord&);
  std::string (*model_name)(const CallRecord&);
  std::string (*model_provider)(const CallRecord&);
  Value (*input)(const CallRecord&);     // meta.input; empty object: none
  Value (*output)(const CallRecord&);    // meta.output of a call that gave an answer
  Value (*metadata)(const CallRecord&);  // meta.metadata
  Value (*tools)(const CallRecord&);     // meta.tool_definitions; empty array: none
  Value (*metrics)(const CallRecord&);   // token counts of a call that did not fail
  std::string_view error_prefix;         // module of the exception classes: "openai."
  std::string_view empty_role;           // role of the one empty message of a failed llm call
  std::string_view (*kind)(const CallRecord&) = nullptr;    // null: span_kind() of the operation
  std::string (*error_class)(const CallRecord&) = nullptr;  // null: by prefix and status
};

// One table for all: by dialect, then by provider. Never fails: unknown dialects get the general
// shape.
const Shape& shape_for(const CallRecord& call);

extern const Shape kOpenAiShape;
extern const Shape kAnthropicShape;
extern const Shape kMistralShape;
extern const Shape kResponsesShape;
extern const Shape kGoogleShape;
extern const Shape kBedrockShape;
extern const Shape kBedrockAgentShape;
extern const Shape kVertexShape;
extern const Shape kGeneralShape;  // vendors for which the SDK has no integration

// "llm", "embedding", "retrieval", "agent" or "task".
std::string_view span_kind(Operation operation);

// ---- building blocks for shapes ----

// {"role", "content"}.
Value message(std::string_view role, std::string_view content);
// A JSON text; what is no JSON becomes a string.
Value json_or_string(const std::string& text);
// A text member of an object; "" if `value` is no object, or has none of that name.
std::string member(const Value& value, const char* key);
// Arguments of a tool call: an object; anything else becomes {"value": text}, "" becomes {}.
Value arguments(const std::string& text);
// {"name", "arguments", "tool_id", "type"}.
Value tool_call(const Part& part, std::string_view type);
// Like Python's json.dumps of a JSON text: ", " and ": ", non-ASCII escaped, key order kept.
std::string python_json(const std::string& text);

// The request parameters of `names` that the record has, with their wire values (null included).
Value pick_params(const CallRecord& call, std::initializer_list<std::string_view> names);
std::optional<Value> param(const CallRecord& call, std::string_view name);
std::optional<Value> vendor_value(const CallRecord& call, std::string_view name);

// [{"name", "description", "schema"}]; deferred tools are stripped; empty ones left out.
Value tool_definitions(const CallRecord& call);

// {"documents": [{"text"}]} and {"value": "[N embedding(s) returned with size D]"}.
Value embedding_input(const CallRecord& call);
Value embedding_output(const CallRecord& call);

// input, output and total tokens, cache reads and writes, reasoning; cost as the vendor reported
// it.
Value usage_metrics(const CallRecord& call);

// Model that answered, else the one asked for, else `fallback`.
std::string served_model(const CallRecord& call, std::string_view fallback);

// One message per wire message: text parts joined by `separator`, tool calls and results beside it,
// reasoning as a message of its own in front, media as markers.
Value general_messages(const std::vector<Message>& messages, std::string_view separator);

}  // namespace llmtap::llmobs
