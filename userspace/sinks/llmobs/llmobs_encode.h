// SPDX-License-Identifier: Apache-2.0
//
// CallRecord → LLMObs span event, the object that travels in `spans` of one envelope
// (datadog-llmobs 1.4, 1.5). Pure: the same record gives the same event, ids included, so that
// a resend is recognisable.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "parsers/core/call_record.h"
#include "userspace/sinks/llmobs/shape.h"

namespace llmtap::llmobs {

struct EncodeOptions {
  std::string version = "0.1.0";        // tag ddtrace.version and _dd.tracer_version
  std::size_t event_bytes = 5'000'000;  // DD_LLMOBS_EVENT_SIZE_BYTES: content is dropped beyond
  double sample_rate = 1.0;             // DD_LLMOBS_SAMPLE_RATE, 0..1
  bool content = true;                  // false: no messages, documents, tools
};

// The event. Its size as JSON is below options.event_bytes for any record.
Value encode_event(const CallRecord& call, const EncodeOptions& options);

// That event and behind it, parents before children, the steps that a hosted agent tells of.
std::vector<Value> encode_events(const CallRecord& call, const EncodeOptions& options);

// The event as the SDK would write it: sorted keys, ASCII only.
std::string event_json(const Value& event);

// One envelope around one event.
std::string envelope_json(const Value& event, const EncodeOptions& options);

// An in-process SDK already sends a span for this very call (datadog-llmobs 4.4, D19).
bool reported_by_sdk(const CallRecord& call);

}  // namespace llmtap::llmobs
