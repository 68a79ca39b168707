// SPDX-License-Identifier: Apache-2.0
//
// Items: what a conversation of OpenAI's Responses and Realtime APIs is made of. A message, a tool
// call, its result, reasoning or a hosted tool's work is one item, and one Message of the record.
// https://platform.openai.com/docs/api-reference/responses/object
#pragma once

#include "parsers/core/call_record.h"
#include "parsers/core/json.h"

namespace llmtap {

// One item of `input` or `output`. Items that no neutral part stands for become a kOther part.
//   function_call, custom_tool_call   kToolCall          role "assistant"
//   function_call_output, ..._output  kToolResult        role "user"
//   reasoning                         kReasoning         summary (else content) as text; raw = item
//   mcp_call                          kToolCall, kToolResult
//   image_generation_call             kImage
Message read_openai_item(const Json& item);

// Content parts of a message item: input_text, output_text, refusal, input_image, input_file,
// input_audio, output_audio, ...; or a plain string.
void read_openai_item_content(const Json& content, Message& message);

}  // namespace llmtap
