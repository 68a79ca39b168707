// SPDX-License-Identifier: Apache-2.0
//
// CallRecord → AI span as Sentry reads it: the span of the conventions (otlp/span_map.h) with
// Sentry's own attributes (sentry-conventions, gen_ai and sentry namespaces). Pure.
#pragma once

#include <string>

#include "parsers/core/call_record.h"
#include "userspace/sinks/otlp/model.h"
#include "userspace/sinks/sentry/dsn.h"

namespace llmtap::sentry {

struct SpanOptions {
  // For processes that do not say theirs (DD_ENV, DD_VERSION).
  std::string environment = {};
  std::string release = {};
  double sample_rate = 1;  // of traces; failed calls are always sent
  bool content = false;
};

// Whether the trace of the call is in the sample: the same for all calls of a trace.
bool sampled(const CallRecord& call, const SpanOptions& options);

otlp::Span ai_span(const CallRecord& call, const SpanOptions& options);

// One envelope with one span item, format 2 (application/vnd.sentry.items.span.v2+json).
std::string envelope(const otlp::Span& span, const otlp::Value& resource, const Dsn& dsn);

}  // namespace llmtap::sentry
