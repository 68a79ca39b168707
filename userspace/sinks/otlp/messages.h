// SPDX-License-Identifier: Apache-2.0
//
// Texts of a call in the conventions' JSON (v1.41.1: gen-ai-input-messages.json and its siblings).
// Bytes of media are never kept, so a blob's content is empty and `size` says how much it was.
#pragma once

#include "parsers/core/call_record.h"
#include "userspace/sinks/otlp/model.h"

namespace llmtap::otlp {

// Arrays; empty if there is nothing to say. Prompts that a vendor takes outside of the conversation
// are system instructions (parts without a role), others stay where they are.
Value system_instructions(const CallRecord& call);
Value input_messages(const CallRecord& call);
Value output_messages(const CallRecord& call);
Value tool_definitions(const CallRecord& call);

}  // namespace llmtap::otlp
