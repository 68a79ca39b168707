// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/destinations_otlp.h"

#include <utility>

namespace llmtap {
namespace {

otlp::Host host_of(const OtlpConfig& config) {
  auto attributes = otlp::parse_pairs(config.resource_attributes);
  if (!config.service_name.empty())
    attributes.insert(attributes.begin(), {"service.name", config.service_name});
  return this_host(std::move(attributes));
}

otlp::MapOptions mapping(const Config& config) {
  const bool content = config.otlp_content != ContentPolicy::kNone;
  otlp::MapOptions options;
  options.conventions = config.otlp.conventions;
  options.span_content = content && config.otlp.content_on_spans;
  options.event_content = content && config.otlp.content_on_events;
  return options;
}

}  // namespace

std::unique_ptr<RecordWriter> open_otlp(const Config& config, otlp::Signal signal,
                                        std::unique_ptr<Spool> spool) {
  const auto& otlp = config.otlp;
  const OtlpTarget target = otlp_target(otlp, signal).value_or(OtlpTarget{});
  switch (signal) {
    case otlp::Signal::kTraces:
      return make_otlp_traces(target, mapping(config), host_of(otlp), std::move(spool));
    case otlp::Signal::kLogs:
      return make_otlp_logs(target, mapping(config), host_of(otlp), std::move(spool));
    case otlp::Signal::kMetrics:
      break;
  }
  return make_otlp_metrics(target, {otlp.conventions, otlp.temporality, otlp.estimated_tokens},
                           host_of(otlp), otlp.metric_interval, std::move(spool));
}

std::string otlp_line(const Config& config, otlp::Signal signal) {
  const auto target = otlp_target(config.otlp, signal);
  return target ? "OpenTelemetry: " + target->url : std::string{};
}

Result<std::unique_ptr<RecordWriter>> open_sentry(const Config& config,
                                                  std::unique_ptr<Spool> spool) {
  const auto& sentry = config.sentry;
  auto dsn = sentry::parse_dsn(sentry.dsn);
  if (!dsn) return Error{"sentry.dsn: " + dsn.error().message};
  sentry::SpanOptions options{sentry.environment, sentry.release, sentry.traces_sample_rate,
                              config.sentry_content != ContentPolicy::kNone};
  return make_sentry(*dsn, sentry.format, std::move(options), host_of(config.otlp),
                     std::move(spool));
}

std::string sentry_line(const Config& config) {
  const auto dsn = sentry::parse_dsn(config.sentry.dsn);
  return dsn ? "Sentry: project " + dsn->project + " at " + dsn->origin : std::string{};
}

}  // namespace llmtap
