// SPDX-License-Identifier: Apache-2.0
//
// How a span joins the trace that the app propagated on the request (datadog-llmobs 4.1-4.3).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "parsers/core/call_record.h"

namespace llmtap::llmobs {

struct TraceIds {
  std::string trace_id;       // LLMObs trace, 32 hex digits
  std::string span_id;        // decimal
  std::string parent_id;      // decimal, or "undefined"
  std::string apm_trace_id;   // 32 hex digits, or decimal if the wire had only 64 bits
  std::uint64_t apm_low = 0;  // low 64 bits of it, for sampling
  std::string ml_app;         // propagated; empty if not
  std::string session_id;
  std::string sample_rate;  // propagated; empty if not
  std::string sampling_decision;
};

// Ids that no header gives follow from the record (its id, connection and start), so that encoding
// it again gives the same.
TraceIds join_trace(const CallRecord& call);

// What a tracer has propagated under `_dd.p.<key>`; empty if absent.
std::string propagated(const CallRecord& call, std::string_view key);

}  // namespace llmtap::llmobs
