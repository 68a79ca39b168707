// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/config_otlp.h"

#include <catch2/catch.hpp>
#include <map>

#include "userspace/app/config.h"

using namespace llmtap;
using otlp::Signal;

namespace {

using Variables = std::map<std::string, std::string>;

Environment from(const Variables& variables) {
  return [variables](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
  };
}

OtlpConfig otlp_of(const Variables& variables) {
  Config config;
  const auto status = merge_environment(config, from(variables));
  REQUIRE(status.ok());
  return config.otlp;
}

constexpr const char* kEndpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";

}  // namespace

TEST_CASE("config: where a signal goes", "[unit]") {
  struct Case {
    const char* name;
    Variables variables;
    std::string traces, metrics;  // URLs; empty: off
  };
  const Case cases[] = {
      {"nothing is said", {}, "", ""},
      {"a base",
       {{kEndpoint, "http://c:4318"}},
       "http://c:4318/v1/traces",
       "http://c:4318/v1/metrics"},
      {"a base with a path",
       {{kEndpoint, "https://c/otlp/"}},
       "https://c/otlp/v1/traces",
       "https://c/otlp/v1/metrics"},
      {"one signal's own",
       {{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t/x"}},
       "http://t/x",
       ""},
      {"both",
       {{kEndpoint, "http://c"}, {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://m"}},
       "http://c/v1/traces",
       "http://m"},
      {"disabled", {{kEndpoint, "http://c"}, {"OTEL_SDK_DISABLED", "TRUE"}}, "", ""},
      {"an exporter less",
       {{kEndpoint, "http://c"}, {"OTEL_METRICS_EXPORTER", "none"}},
       "http://c/v1/traces",
       ""},
      {"among several exporters",
       {{kEndpoint, "http://c"}, {"OTEL_TRACES_EXPORTER", "console,otlp"}},
       "http://c/v1/traces",
       "http://c/v1/metrics"},
      {"empty is unset", {{kEndpoint, ""}, {"OTEL_SDK_DISABLED", ""}}, "", ""},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      const auto config = otlp_of(c.variables);
      CHECK(otlp_target(config, Signal::kTraces).value_or(OtlpTarget{}).url == c.traces);
      CHECK(otlp_target(config, Signal::kMetrics).value_or(OtlpTarget{}).url == c.metrics);
      CHECK(!otlp_target(config, Signal::kLogs));  // opt-in
    }
  }
}

TEST_CASE("config: how a signal goes", "[unit]") {
  const auto config = otlp_of({{kEndpoint, "http://c"},
                               {"OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"},
                               {"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf"},
                               {"OTEL_EXPORTER_OTLP_HEADERS", "a=b,auth=Basic%20x%3D"},
                               {"OTEL_EXPORTER_OTLP_METRICS_HEADERS", "m=1"},
                               {"OTEL_EXPORTER_OTLP_COMPRESSION", "none"},
                               {"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "2500"},
                               {"OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"},
                               {"OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "/key.pem"}});
  const auto traces = otlp_target(config, Signal::kTraces).value();
  CHECK(traces.format == otlp::Format::kJson);
  CHECK(traces.headers == std::vector<std::string>{"a: b", "auth: Basic x="});
  CHECK(!traces.gzip);
  CHECK(traces.timeout.count() == 2500);
  CHECK(traces.tls.authorities == "/ca.pem");
  CHECK(traces.tls.key == "/key.pem");
  const auto metrics = otlp_target(config, Signal::kMetrics).value();
  CHECK(metrics.format == otlp::Format::kProtobuf);
  CHECK(metrics.headers == std::vector<std::string>{"m: 1"});
  CHECK(metrics.timeout.count() == 10'000);
  CHECK(metrics.tls.key.empty());
}

TEST_CASE("config: content by the variable of the conventions", "[unit]") {
  struct Case {
    const char *value, *file;
    ContentPolicy content;
    bool spans, events, logs;
  };
  using enum ContentPolicy;
  const Case cases[] = {
      {"", "", kNone, true, false, false},
      {"NO_CONTENT", "content: full", kNone, true, false, false},
      {"SPAN_ONLY", "", kFull, true, false, false},
      {"event_only", "", kFull, false, true, true},
      {"SPAN_AND_EVENT", "", kFull, true, true, true},
      {"true", "", kFull, true, false, false},
      {"SPAN_ONLY", "content: redacted", kRedacted, true, false, false},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.value << ' ' << c.file) {
      Config config;
      REQUIRE(merge_yaml(config, c.file[0] ? "otlp:\n  " + std::string(c.file) : "", "f").ok());
      const auto environment =
          from({{"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", c.value}});
      REQUIRE(merge_environment(config, environment).ok());
      CHECK(config.otlp_content == c.content);
      CHECK(config.otlp.content_on_spans == c.spans);
      CHECK(config.otlp.content_on_events == c.events);
      CHECK(config.otlp.events == c.logs);
    }
  }
}

TEST_CASE("config: further variables of OpenTelemetry and Sentry", "[unit]") {
  Config config;
  REQUIRE(merge_environment(
              config, from({{"OTEL_SEMCONV_STABILITY_OPT_IN", "http,gen_ai_latest_experimental"},
                            {"OTEL_METRIC_EXPORT_INTERVAL", "5000"},
                            {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"},
                            {"SENTRY_DSN", "https://k@h/1"},
                            {"SENTRY_TRACES_SAMPLE_RATE", "0.25"}}))
              .ok());
  CHECK(config.otlp.conventions == otlp::Conventions::kLatest);
  CHECK(config.otlp.metric_interval.count() == 5000);
  CHECK(config.otlp.temporality == otlp::Temporality::kDelta);
  CHECK(config.sentry.traces_sample_rate == 0.25);
}

TEST_CASE("config: values of OpenTelemetry and Sentry that are wrong", "[unit]") {
  struct Case {
    const char *name, *value;
  };
  const Case cases[] = {
      {"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"},
      {"OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317"},
      {"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "zip"},
      {"OTEL_EXPORTER_OTLP_TIMEOUT", "soon"},
      {"OTEL_EXPORTER_OTLP_HEADERS", "a=b%0d%0aHost: x"},
      {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "all"},
      {"SENTRY_DSN", "https://host/1"},
      {"SENTRY_TRACES_SAMPLE_RATE", "2"},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      Config config;
      const auto status = merge_environment(config, from({{c.name, c.value}}));
      REQUIRE(!status.ok());
      CHECK(status.error().message.starts_with(std::string(c.name) + ": "));
    }
  }
}
