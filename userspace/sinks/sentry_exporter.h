// SPDX-License-Identifier: Apache-2.0
//
// Calls to Sentry as AI spans: through its OTLP endpoint, or as span envelopes for servers that do
// not have one yet. What names the project and lets in is the DSN; its key is public by design.
#pragma once

#include <cstdint>
#include <memory>

#include "userspace/sinks/otlp/resource.h"
#include "userspace/sinks/queued_sink.h"
#include "userspace/sinks/sentry/ai_span.h"
#include "userspace/sinks/spool.h"

namespace llmtap {

enum class SentryFormat : std::uint8_t { kOtlp, kEnvelope };

std::unique_ptr<RecordWriter> make_sentry(const sentry::Dsn& dsn, SentryFormat format,
                                          sentry::SpanOptions options, otlp::Host host,
                                          std::unique_ptr<Spool> spool);

}  // namespace llmtap
