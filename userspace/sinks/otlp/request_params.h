// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "parsers/core/call_record.h"
#include "userspace/sinks/otlp/model.h"
#include "userspace/sinks/otlp/names.h"

namespace llmtap::otlp {

// gen_ai.request.*, gen_ai.output.type, openai.* and aws.* from the parameters of any dialect.
// A value of the wrong type is left out.
void put_request_params(const CallRecord& call, Conventions conventions, Value& out);

}  // namespace llmtap::otlp
