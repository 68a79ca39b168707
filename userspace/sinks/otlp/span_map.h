// SPDX-License-Identifier: Apache-2.0
//
// CallRecord → span of an inference (GenAI conventions 1.41.1, gen-ai-spans.md), and → events of
// gen-ai-events.md. Pure: the same record gives the same span, ids included.
//
// Beyond the conventions: gen_ai.usage.cost (USD), exception span event, and under llmtap.* what
// only an observer can say: how the call ended, bytes lost, that tokens are estimated.
#pragma once

#include <vector>

#include "parsers/core/call_record.h"
#include "userspace/sinks/otlp/model.h"
#include "userspace/sinks/otlp/names.h"

namespace llmtap::otlp {

struct MapOptions {
  Conventions conventions = Conventions::k1_41;
  bool span_content = false;   // messages as JSON texts on the span
  bool event_content = false;  // messages as structures on the event
  // Content is left out of what would be larger.
  std::size_t most_bytes = std::size_t{4} << 20;
};

Span make_span(const CallRecord& call, const MapOptions& options);

// gen_ai.client.inference.operation.details, and gen_ai.client.operation.exception if it failed.
std::vector<LogRecord> make_events(const CallRecord& call, const MapOptions& options);

// The numbers as the conventions define them: cached tokens are part of the input, reasoning is
// part of the output. Absent is absent.
std::optional<std::uint64_t> input_tokens(const CallRecord& call);
std::optional<std::uint64_t> output_tokens(const CallRecord& call);

// Seconds from the first request byte to the first content of a stream.
std::optional<double> time_to_first_chunk(const CallRecord& call);

}  // namespace llmtap::otlp
