// SPDX-License-Identifier: Apache-2.0
//
// Tool definitions as OpenAI's models are shown them: no JSON schema but TypeScript-like types in a
// namespace. Not documented; known from what the counted tokens of answers add up to.
#pragma once

#include <string>
#include <vector>

#include "parsers/core/call_record.h"

namespace llmtap {

// Schemas that are no JSON or nest deeper than 8 levels are shown as `any`, very large ones as they
// are.
std::string tool_text(const std::vector<ToolDefinition>& tools);

// The schema that the answer must keep to, as it is shown to the model; empty if there is none.
std::string answer_schema_text(const std::vector<Param>& params);

}  // namespace llmtap
