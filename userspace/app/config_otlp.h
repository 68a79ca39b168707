// SPDX-License-Identifier: Apache-2.0
//
// OpenTelemetry and Sentry: sections `otlp` and `sentry` of the configuration, and the variables
// OTEL_* and SENTRY_* with the meanings of their specifications.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "parsers/core/result.h"
#include "userspace/sinks/otlp_exporter.h"
#include "userspace/sinks/sentry_exporter.h"

namespace llmtap {

struct Config;

// Absent or empty: as for all signals.
struct OtlpConnection {
  std::string endpoint;
  std::optional<otlp::Format> protocol;
  std::optional<std::string> headers;  // "key=value,key2=value2", percent-encoded; may hold keys
  std::optional<bool> gzip;
  std::optional<std::chrono::milliseconds> timeout;
  CertificateFiles tls = {};

  bool operator==(const OtlpConnection&) const = default;
};

struct OtlpConfig {
  bool enabled = true;  // and an endpoint is given
  OtlpConnection all{"", otlp::Format::kProtobuf, {}, true, std::chrono::milliseconds{10'000}, {}};
  OtlpConnection traces, metrics, logs;
  bool traces_on = true, metrics_on = true, logs_on = true;
  std::string service_name;
  std::string resource_attributes;  // "key=value,key2=value2"
  otlp::Conventions conventions = otlp::Conventions::k1_41;
  bool content_on_spans = true, content_on_events = false;  // if there is content
  bool events = false;
  std::chrono::milliseconds metric_interval{60'000};
  otlp::Temporality temporality = otlp::Temporality::kCumulative;
  bool estimated_tokens = false;

  bool operator==(const OtlpConfig&) const = default;
};

struct SentryConfig {
  std::string dsn;  // empty: off
  std::string environment;
  std::string release;
  double traces_sample_rate = 1;
  SentryFormat format = SentryFormat::kOtlp;

  bool operator==(const SentryConfig&) const = default;
};

// Nothing: the signal is off.
std::optional<OtlpTarget> otlp_target(const OtlpConfig& config, otlp::Signal signal);

struct ConfigKey {
  std::string path;
  std::function<Status(Config&, const std::string& value)> read;
};
const std::vector<ConfigKey>& otlp_keys();

// After the file. Errors name the variable.
Status merge_otlp_environment(
    Config& config, const std::function<std::optional<std::string>(const char* name)>& environment);

}  // namespace llmtap
