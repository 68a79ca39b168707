// SPDX-License-Identifier: Apache-2.0
//
// What an SDK would have raised for this call (datadog-llmobs 5.12, D7).
#pragma once

#include <string>

#include "parsers/core/call_record.h"
#include "userspace/sinks/llmobs/shape.h"

namespace llmtap::llmobs {

// The call failed: an error of the provider, a bad status, or a stream that broke off. A stream
// that the client left is no error.
bool failed(const CallRecord& call);

// "openai.RateLimitError", "botocore.exceptions.ClientError", ...
std::string error_type(const CallRecord& call, const Shape& shape);

// {"type", "message", "stack"}; stack is "".
Value error_value(const CallRecord& call, const Shape& shape);

}  // namespace llmtap::llmobs
