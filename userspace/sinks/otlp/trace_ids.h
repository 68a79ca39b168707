// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "parsers/core/call_record.h"

namespace llmtap::otlp {

// How a span joins the trace that the app propagated on the request: W3C traceparent, else
// Datadog's headers, else a trace of its own. Same record, same ids. Lower-case hex.
struct TraceIds {
  std::string trace_id;        // 32 digits
  std::string span_id;         // 16 digits
  std::string parent_span_id;  // 16 digits; empty: the root of its trace
  std::string trace_state;
  std::uint32_t flags = 0;  // of the span: W3C flags, and that the parent is remote (bits 8 and 9)
};
TraceIds trace_ids(const CallRecord& call);

}  // namespace llmtap::otlp
