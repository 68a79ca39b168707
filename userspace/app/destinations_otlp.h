// SPDX-License-Identifier: Apache-2.0
//
// The OpenTelemetry and Sentry rows of destinations.cpp.
#pragma once

#include <memory>
#include <string>

#include "userspace/app/config.h"
#include "userspace/sinks/queued_sink.h"
#include "userspace/sinks/spool.h"

namespace llmtap {

// The signal's writer, for a configuration in which it is on.
std::unique_ptr<RecordWriter> open_otlp(const Config& config, otlp::Signal signal,
                                        std::unique_ptr<Spool> spool);
std::string otlp_line(const Config& config, otlp::Signal signal);

Result<std::unique_ptr<RecordWriter>> open_sentry(const Config& config,
                                                  std::unique_ptr<Spool> spool);
std::string sentry_line(const Config& config);

}  // namespace llmtap
