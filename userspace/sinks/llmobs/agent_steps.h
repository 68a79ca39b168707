// SPDX-License-Identifier: Apache-2.0
//
// A Bedrock agent's own account of what it did (InvokeAgent with enableTrace) as spans below the
// agent's: "{traceType} Step" (workflow) per trace id, in it modelInvocation (llm), reasoning and
// guardrail (task), action groups, knowledge bases and collaborators (tool); datadog-llmobs 5.6.4.
#pragma once

#include <vector>

#include "userspace/sinks/llmobs/shape.h"

namespace llmtap::llmobs {

// `root`: the agent's event as encoded. Empty for every other call. Parents come before children.
std::vector<Value> agent_steps(const CallRecord& call, const Value& root);

}  // namespace llmtap::llmobs
