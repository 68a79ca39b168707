// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/config_otlp.h"

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "userspace/app/config.h"
#include "userspace/app/config_values.h"

namespace llmtap {
namespace {

Result<otlp::Format> parse_protocol(const std::string& value) {
  if (value == "http/protobuf") return otlp::Format::kProtobuf;
  if (value == "http/json") return otlp::Format::kJson;
  return Error{"expected http/protobuf or http/json (there is no gRPC; the port is mostly 4318)"};
}

Result<bool> parse_compression(const std::string& value) {
  if (value == "gzip") return true;
  if (value == "none") return false;
  return Error{"expected gzip or none"};
}

Result<std::string> parse_http_url(const std::string& value) {
  if (value.empty() || value.starts_with("http://") || value.starts_with("https://")) return value;
  return Error{"expected http:// or https://"};
}

// As HTTP headers: a line break would start another one.
Result<std::string> parse_headers(const std::string& value) {
  for (const auto& [name, text] : otlp::parse_pairs(value)) {
    const auto ends_line = [](char c) { return c == '\r' || c == '\n' || c == '\0'; };
    if (std::any_of(name.begin(), name.end(), ends_line) ||
        std::any_of(text.begin(), text.end(), ends_line)) {
      return Error{"a header holds a line break"};
    }
  }
  return value;
}

Result<otlp::Conventions> parse_conventions(const std::string& value) {
  if (value == "1.41") return otlp::Conventions::k1_41;
  if (value == "latest") return otlp::Conventions::kLatest;
  return Error{"expected 1.41 or latest"};
}

Result<otlp::Temporality> parse_temporality(const std::string& value) {
  const auto is = [&value](const char* word) { return ::strcasecmp(value.c_str(), word) == 0; };
  if (is("cumulative")) return otlp::Temporality::kCumulative;
  if (is("delta") || is("lowmemory")) return otlp::Temporality::kDelta;
  return Error{"expected cumulative or delta"};
}

Result<SentryFormat> parse_sentry_format(const std::string& value) {
  if (value == "otlp") return SentryFormat::kOtlp;
  if (value == "envelope") return SentryFormat::kEnvelope;
  return Error{"expected otlp or envelope"};
}

Result<double> parse_rate(const std::string& value) {
  double rate = -1;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), rate);
  if (error == std::errc{} && end == value.data() + value.size() && rate >= 0 && rate <= 1)
    return rate;
  return Error{"expected a share from 0 to 1"};
}

Result<std::string> parse_dsn_text(const std::string& value) {
  if (value.empty()) return value;
  if (auto dsn = sentry::parse_dsn(value); !dsn) return dsn.error();
  return value;
}

template <class Field, class Parse>
Status set(Field& field, const std::string& value, Parse parse) {
  auto parsed = parse(value);
  if (!parsed) return parsed.error();
  field = std::move(*parsed);
  return Unit{};
}

Result<std::string> as_is(const std::string& value) { return value; }

Status set_content_place(OtlpConfig& otlp, const std::string& value) {
  if (value != "span" && value != "event" && value != "both")
    return Error{"expected span, event or both"};
  otlp.content_on_spans = value != "event";
  otlp.content_on_events = value != "span";
  return Unit{};
}

void add_connection(std::vector<ConfigKey>& keys, const std::string& prefix,
                    OtlpConnection OtlpConfig::* part) {
  const auto add = [&](const char* name, auto field, auto parse) {
    keys.push_back({prefix + name, [part, field, parse](Config& c, const std::string& v) {
                      return set(field(c.otlp.*part), v, parse);
                    }});
  };
  using C = OtlpConnection;
  add("endpoint", [](C& c) -> auto& { return c.endpoint; }, parse_http_url);
  add("protocol", [](C& c) -> auto& { return c.protocol; }, parse_protocol);
  add("headers", [](C& c) -> auto& { return c.headers; }, parse_headers);
  add("compression", [](C& c) -> auto& { return c.gzip; }, parse_compression);
  add("timeout", [](C& c) -> auto& { return c.timeout; }, parse_milliseconds);
  add("certificate", [](C& c) -> auto& { return c.tls.authorities; }, as_is);
  add("client_certificate", [](C& c) -> auto& { return c.tls.certificate; }, as_is);
  add("client_key", [](C& c) -> auto& { return c.tls.key; }, as_is);
}

template <class Field, class Parse>
void add(std::vector<ConfigKey>& keys, const char* path, Field field, Parse parse) {
  keys.push_back(
      {path, [field, parse](Config& c, const std::string& v) { return set(field(c), v, parse); }});
}

std::vector<ConfigKey> make_keys() {
  std::vector<ConfigKey> keys;
  add_connection(keys, "otlp.", &OtlpConfig::all);
  add_connection(keys, "otlp.traces.", &OtlpConfig::traces);
  add_connection(keys, "otlp.metrics.", &OtlpConfig::metrics);
  add_connection(keys, "otlp.logs.", &OtlpConfig::logs);
  using C = Config;
  add(keys, "otlp.enabled", [](C& c) -> auto& { return c.otlp.enabled; }, parse_bool);
  add(keys, "otlp.traces.enabled", [](C& c) -> auto& { return c.otlp.traces_on; }, parse_bool);
  add(keys, "otlp.metrics.enabled", [](C& c) -> auto& { return c.otlp.metrics_on; }, parse_bool);
  add(keys, "otlp.logs.enabled", [](C& c) -> auto& { return c.otlp.logs_on; }, parse_bool);
  add(keys, "otlp.service_name", [](C& c) -> auto& { return c.otlp.service_name; }, as_is);
  add(
      keys, "otlp.resource_attributes", [](C& c) -> auto& { return c.otlp.resource_attributes; },
      as_is);
  add(
      keys, "otlp.conventions", [](C& c) -> auto& { return c.otlp.conventions; },
      parse_conventions);
  add(keys, "otlp.content", [](C& c) -> auto& { return c.otlp_content; }, parse_policy);
  keys.push_back({"otlp.content_on",
                  [](Config& c, const std::string& v) { return set_content_place(c.otlp, v); }});
  add(keys, "otlp.events", [](C& c) -> auto& { return c.otlp.events; }, parse_bool);
  add(
      keys, "otlp.metric_interval", [](C& c) -> auto& { return c.otlp.metric_interval; },
      parse_milliseconds);
  add(
      keys, "otlp.temporality", [](C& c) -> auto& { return c.otlp.temporality; },
      parse_temporality);
  add(
      keys, "otlp.estimated_tokens", [](C& c) -> auto& { return c.otlp.estimated_tokens; },
      parse_bool);
  add(keys, "sentry.dsn", [](C& c) -> auto& { return c.sentry.dsn; }, parse_dsn_text);
  add(keys, "sentry.environment", [](C& c) -> auto& { return c.sentry.environment; }, as_is);
  add(keys, "sentry.release", [](C& c) -> auto& { return c.sentry.release; }, as_is);
  add(
      keys, "sentry.traces_sample_rate", [](C& c) -> auto& { return c.sentry.traces_sample_rate; },
      parse_rate);
  add(keys, "sentry.format", [](C& c) -> auto& { return c.sentry.format; }, parse_sentry_format);
  add(keys, "sentry.content", [](C& c) -> auto& { return c.sentry_content; }, parse_policy);
  return keys;
}

const OtlpConnection& part_of(const OtlpConfig& config, otlp::Signal signal) {
  switch (signal) {
    case otlp::Signal::kTraces:
      return config.traces;
    case otlp::Signal::kMetrics:
      return config.metrics;
    case otlp::Signal::kLogs:
      return config.logs;
  }
  return config.all;
}

bool wanted(const OtlpConfig& config, otlp::Signal signal) {
  switch (signal) {
    case otlp::Signal::kTraces:
      return config.traces_on;
    case otlp::Signal::kMetrics:
      return config.metrics_on;
    case otlp::Signal::kLogs:
      return config.logs_on && config.events;
  }
  return false;
}

// A signal's own endpoint is used as it is; below the common one it has its path.
std::string url_of(const OtlpConfig& config, otlp::Signal signal) {
  const std::string& own = part_of(config, signal).endpoint;
  if (!own.empty()) return own;
  std::string url = config.all.endpoint;
  if (url.empty()) return url;
  if (!url.ends_with('/')) url += '/';
  return url + std::string(otlp::path_of(signal));
}

}  // namespace

const std::vector<ConfigKey>& otlp_keys() {
  static const std::vector<ConfigKey> keys = make_keys();
  return keys;
}

std::optional<OtlpTarget> otlp_target(const OtlpConfig& config, otlp::Signal signal) {
  OtlpTarget target;
  target.url = url_of(config, signal);
  if (!config.enabled || !wanted(config, signal) || target.url.empty()) return std::nullopt;
  const auto &own = part_of(config, signal), &all = config.all;
  target.format = own.protocol.value_or(all.protocol.value_or(target.format));
  target.gzip = own.gzip.value_or(all.gzip.value_or(target.gzip));
  target.timeout = own.timeout.value_or(all.timeout.value_or(target.timeout));
  const auto file = [](const std::string& first, const std::string& second) {
    return first.empty() ? second : first;
  };
  target.tls = {file(own.tls.authorities, all.tls.authorities),
                file(own.tls.certificate, all.tls.certificate), file(own.tls.key, all.tls.key)};
  for (const auto& [name, value] :
       otlp::parse_pairs(own.headers.value_or(all.headers.value_or(""))))
    target.headers.push_back(name + ": " + value);
  return target;
}

}  // namespace llmtap
