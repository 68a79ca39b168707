// SPDX-License-Identifier: Apache-2.0
//
// ReAct prompting without native tools: the model writes "Action: name\nAction Input: {...}" and
// the app appends "\nObservation: result". The SDK turns that text into a tool call and its result.
#pragma once

#include "userspace/sinks/llmobs/shape.h"

namespace llmtap::llmobs {

// Adds tool_calls (and tool_results) to an LLMObs message whose content is ReAct text; then empties
// the content if told so. Leaves any other message alone.
void fold_react(Value& message, bool empty_content);

}  // namespace llmtap::llmobs
