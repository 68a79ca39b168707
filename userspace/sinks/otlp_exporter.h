// SPDX-License-Identifier: Apache-2.0
//
// Calls to any OpenTelemetry back end over OTLP/HTTP: spans, metrics, events. Each signal has a
// writer, an endpoint and a spool of its own, as the specification has it.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "userspace/sinks/delivery.h"
#include "userspace/sinks/otlp/encode.h"
#include "userspace/sinks/otlp/metrics.h"
#include "userspace/sinks/otlp/resource.h"
#include "userspace/sinks/otlp/span_map.h"
#include "userspace/sinks/queued_sink.h"

namespace llmtap {

struct OtlpTarget {
  std::string url;                   // whole, with the signal's path
  std::vector<std::string> headers;  // "Name: value"
  otlp::Format format = otlp::Format::kProtobuf;
  bool gzip = true;
  std::chrono::milliseconds timeout{10'000};
  CertificateFiles tls = {};

  bool operator==(const OtlpTarget&) const = default;
};

// Name and id of this machine, and the daemon's own resource attributes.
otlp::Host this_host(std::vector<std::pair<std::string, std::string>> attributes);

// Framing, content type, retry rules and answers of OTLP for one signal.
DeliveryOptions otlp_delivery(otlp::Signal signal, const OtlpTarget& target, std::string name);

std::unique_ptr<RecordWriter> make_otlp_traces(const OtlpTarget& target, otlp::MapOptions options,
                                               otlp::Host host, std::unique_ptr<Spool> spool);
std::unique_ptr<RecordWriter> make_otlp_logs(const OtlpTarget& target, otlp::MapOptions options,
                                             otlp::Host host, std::unique_ptr<Spool> spool);
// Exports every `interval` and at flush; nothing before the first call.
std::unique_ptr<RecordWriter> make_otlp_metrics(const OtlpTarget& target,
                                                otlp::MetricOptions options, otlp::Host host,
                                                std::chrono::milliseconds interval,
                                                std::unique_ptr<Spool> spool);

}  // namespace llmtap
