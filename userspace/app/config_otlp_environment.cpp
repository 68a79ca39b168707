// SPDX-License-Identifier: Apache-2.0
//
// OTEL_* (OpenTelemetry: sdk-environment-variables, OTLP exporter, GenAI) and SENTRY_*.
#include <algorithm>
#include <array>

#include "userspace/app/config.h"
#include "userspace/app/config_otlp.h"

namespace llmtap {
namespace {

struct Variable {
  const char* name;
  const char* key;  // of the file: what the variable says is read the same way
};

constexpr std::array kSame = {
    Variable{"OTEL_SERVICE_NAME", "otlp.service_name"},
    Variable{"OTEL_RESOURCE_ATTRIBUTES", "otlp.resource_attributes"},
    Variable{"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "otlp.temporality"},
    Variable{"SENTRY_DSN", "sentry.dsn"},
    Variable{"SENTRY_ENVIRONMENT", "sentry.environment"},
    Variable{"SENTRY_RELEASE", "sentry.release"},
    Variable{"SENTRY_TRACES_SAMPLE_RATE", "sentry.traces_sample_rate"},
};

// OTEL_EXPORTER_OTLP_<part>, OTEL_EXPORTER_OTLP_<signal>_<part>
constexpr std::array kParts = {
    Variable{"ENDPOINT", "endpoint"},
    Variable{"PROTOCOL", "protocol"},
    Variable{"HEADERS", "headers"},
    Variable{"COMPRESSION", "compression"},
    Variable{"TIMEOUT", "timeout"},
    Variable{"CERTIFICATE", "certificate"},
    Variable{"CLIENT_CERTIFICATE", "client_certificate"},
    Variable{"CLIENT_KEY", "client_key"},
};

struct SignalVariable {
  const char* name;
  const char* section;
  const char* exporter;
  bool OtlpConfig::* on;
};
constexpr std::array kSignals = {
    SignalVariable{"TRACES_", "otlp.traces.", "OTEL_TRACES_EXPORTER", &OtlpConfig::traces_on},
    SignalVariable{"METRICS_", "otlp.metrics.", "OTEL_METRICS_EXPORTER", &OtlpConfig::metrics_on},
    SignalVariable{"LOGS_", "otlp.logs.", "OTEL_LOGS_EXPORTER", &OtlpConfig::logs_on},
};

class Merge {
 public:
  Merge(Config& config, const Environment& environment)
      : config_(config), environment_(environment) {}

  Status all() {
    for (const auto& [name, key] : kSame) same(name, key);
    for (const auto& [part, key] : kParts) {
      connection(part, std::string("otlp.") + key, "OTEL_EXPORTER_OTLP_");
      for (const auto& signal : kSignals)
        connection(part, signal.section + std::string(key),
                   std::string("OTEL_EXPORTER_OTLP_") + signal.name);
    }
    switches();
    content();
    return status_;
  }

 private:
  std::optional<std::string> get(const std::string& name) const {
    auto value = environment_(name.c_str());
    if (value && value->empty()) value.reset();  // the specification: empty is unset
    return value;
  }

  void same(const std::string& name, const std::string& key) {
    if (const auto value = get(name)) read(name, key, *value);
  }

  // The specification's times are bare milliseconds.
  void connection(const std::string& part, const std::string& key, const std::string& prefix) {
    if (const auto value = get(prefix + part))
      read(prefix + part, key, part == "TIMEOUT" ? *value + "ms" : *value);
  }

  void read(const std::string& name, const std::string& key, const std::string& value) {
    if (!status_) return;
    const auto& keys = otlp_keys();
    const auto known = std::find_if(keys.begin(), keys.end(),
                                    [&key](const ConfigKey& k) { return k.path == key; });
    if (known == keys.end()) return;
    if (auto status = known->read(config_, value); !status)
      status_ = Error{name + ": " + status.error().message};
  }

  void switches() {
    auto& otlp = config_.otlp;
    if (lower(get("OTEL_SDK_DISABLED").value_or("")) == "true") otlp.enabled = false;
    for (const auto& signal : kSignals) {
      // A list; exporters that llmtap does not have are somebody else's business.
      if (const auto list = get(signal.exporter))
        otlp.*signal.on = (',' + *list + ',').find(",otlp,") != std::string::npos;
    }
    const auto opted = ',' + get("OTEL_SEMCONV_STABILITY_OPT_IN").value_or("") + ',';
    if (opted.find(",gen_ai_latest_experimental,") != std::string::npos)
      otlp.conventions = otlp::Conventions::kLatest;
    if (const auto interval = get("OTEL_METRIC_EXPORT_INTERVAL"))
      read("OTEL_METRIC_EXPORT_INTERVAL", "otlp.metric_interval", *interval + "ms");
  }

  // A variable that asks for content does not undo a file that says `redacted`.
  void content() {
    auto& otlp = config_.otlp;
    const std::string mode =
        lower(get("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT").value_or(""));
    if (mode == "no_content" || mode == "false") {
      config_.otlp_content = ContentPolicy::kNone;
    } else if (!mode.empty()) {
      const bool event = mode == "event_only" || mode == "span_and_event";
      if (!event && mode != "span_only" && mode != "true") {
        status_ = Error{
            "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: expected NO_CONTENT, SPAN_ONLY, "
            "EVENT_ONLY or SPAN_AND_EVENT"};
        return;
      }
      if (config_.otlp_content == ContentPolicy::kNone) config_.otlp_content = ContentPolicy::kFull;
      otlp.content_on_spans = mode != "event_only";
      otlp.content_on_events = event;
      if (event) otlp.events = true;
    }
    const std::string emit = lower(get("OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT").value_or(""));
    if (emit == "true") otlp.events = true;
    if (emit == "false") otlp.events = false;
  }

  static std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) {
      return static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    });
    return text;
  }

  Config& config_;
  const Environment& environment_;
  Status status_ = Unit{};
};

}  // namespace

Status merge_otlp_environment(Config& config, const Environment& environment) {
  return Merge(config, environment).all();
}

}  // namespace llmtap
