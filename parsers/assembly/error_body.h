// SPDX-License-Identifier: Apache-2.0
//
// The error shapes that vendors share, read out of the body of a bad answer.
#pragma once

#include "parsers/core/call_record.h"
#include "parsers/core/json.h"

namespace llmtap {

// {error: {type, code, message}} (OpenAI's dialect, Anthropic; Google: status for type),
// {error: "text"}, {message, __type} (AWS, its type also in x-amzn-errortype), {detail: ...}
// (FastAPI servers), a plain text. `json` is absent if `body` is not JSON. Parsers may refine.
CallError read_error(const Headers& response, std::string_view body, const Json& json);

}  // namespace llmtap
