// SPDX-License-Identifier: Apache-2.0
//
// Readers for the shapes of Google's Gemini API and Vertex AI. Members come in camelCase or
// snake_case (both are accepted on the wire) and enums as words or, with
// $alt=json;enum-encoding=int, as numbers.
// https://ai.google.dev/api/generate-content
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "parsers/core/call_record.h"
#include "parsers/core/exchange.h"
#include "parsers/core/json.h"

namespace llmtap {

// "generateContent" of ".../models/gemini-2.5-flash:generateContent"; empty if there is no colon.
std::string_view google_method(std::string_view path);
// Last segment of the path before the method: model, endpoint or tuned model.
std::optional<std::string> google_model(std::string_view path);
// True for paths of Vertex AI, whose enums have other numbers.
bool vertex_path(std::string_view path);

// object[camel], else the same name in snake_case.
Json google_member(const Json& object, std::string_view camel);

Part read_google_part(const Json& part);
// A content ({"role", "parts"}), or a bare string; `role` where the wire has none.
Message read_google_content(const Json& content, std::string_view role);
void read_google_tools(const Json& body, CallRecord& call);
void read_google_usage(const Json& usage, CallRecord& call);
// {"error": {"code", "message", "status"}} inside a good answer.
void read_google_error(const Json& error, CallRecord& call);

// The word for a finishReason or blockReason.
std::string google_finish_reason(const Json& reason, bool vertex);
std::string google_block_reason(const Json& reason);

}  // namespace llmtap
