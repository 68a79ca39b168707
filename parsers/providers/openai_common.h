// SPDX-License-Identifier: Apache-2.0
//
// Readers for the shapes that every OpenAI-dialect endpoint shares: usage, errors, tools, chat
// messages. Vendors differ in which members they send, not in their meaning, so one reader knows
// all of them and no vendor's name appears here.
#pragma once

#include <optional>

#include "parsers/core/call_record.h"
#include "parsers/core/exchange.h"
#include "parsers/core/json.h"
#include "parsers/providers/provider.h"

namespace llmtap {

// `usage` of chat, completions, embeddings (prompt_/completion_tokens) and responses, images,
// transcriptions (input_/output_tokens). Cached and reasoning tokens are inside of the totals,
// except where the vendor's own total_tokens says that reasoning comes on top.
Usage read_openai_usage(const Json& usage);
// `usage.cost` and its parts (OpenRouter). Absent if the vendor reports none.
std::optional<Cost> read_openai_cost(const Json& usage);
// Fills usage and cost from an object that has `usage`, `x_groq.usage` or `choices[0].usage`; the
// last one seen wins.
void apply_openai_usage(const Json& holder, CallRecord& call);

// {"error": {...} | "text"}, {"object": "error", ...}, {"message": ...} (with a bad status only).
// True if `body` is an error; then call.error is set.
bool apply_openai_error(const Json& body, CallRecord& call);
// A body with a bad status that is no JSON: its text is the message.
void apply_error_text(std::string_view text, CallRecord& call);

// `tools` and the older `functions`.
void read_openai_tools(const Json& body, CallRecord& call);
ToolDefinition read_openai_tool(const Json& tool);

// One message of a chat request or of a choice.
Message read_openai_message(const Json& message);
// Content parts (a string or a list) appended to `message`.
void read_openai_content(const Json& content, Message& message);
// An element of tool_calls: function and custom tools.
Part read_openai_tool_call(const Json& call);

// Databricks: .../serving-endpoints/{name}/invocations, OpenAI's bodies without a model.
bool serving_endpoint(std::string_view path);
// Model of the request: the body's, else the Azure deployment (or its like) in the path.
std::optional<std::string> requested_model(const RequestHead& head, const Json& body);
// user, safety_identifier, metadata, prompt_cache_key.
void read_openai_identity(const Json& body, CallRecord& call);

}  // namespace llmtap
