// SPDX-License-Identifier: Apache-2.0
//
// Tags of a span event (datadog-llmobs 1.10): a sorted list of "key:value".
#pragma once

#include "userspace/sinks/llmobs/llmobs_encode.h"
#include "userspace/sinks/llmobs/trace_join.h"

namespace llmtap::llmobs {

// Name of the application: propagated, then the process's own word, then what it looks like.
std::string ml_app(const CallRecord& call, const TraceIds& ids);

Value tags(const CallRecord& call, const Shape& shape, const TraceIds& ids, bool error,
           const EncodeOptions& options);

}  // namespace llmtap::llmobs
