// SPDX-License-Identifier: Apache-2.0
//
// What Cohere's endpoints share.
#pragma once

#include "parsers/core/call_record.h"
#include "parsers/core/json.h"

namespace llmtap {

// `usage` (v2) or `meta` (v1) of an answer: {"billed_units": {...}, "tokens": {...}}. Billed units
// are what Cohere charges for; `tokens` (with the prompt template) only stand in where it bills none.
void apply_cohere_usage(const Json& holder, CallRecord& call);

}  // namespace llmtap
