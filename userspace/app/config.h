// SPDX-License-Identifier: Apache-2.0
//
// The whole configuration as one plain struct: defaults, merged with a YAML file, the environment
// and the command line, in this order. config/llmtap.yaml documents every key.
// No other file includes <yaml-cpp/...>.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "parsers/assembly/identity.h"
#include "parsers/assembly/provider_names.h"
#include "parsers/core/result.h"
#include "userspace/app/config_otlp.h"

namespace llmtap {

// What a destination may see of the texts of a call. Secrets are masked under every policy.
enum class ContentPolicy : std::uint8_t {
  kFull,
  kRedacted,  // personal data (personal_patterns.h) and the user's patterns masked as well
  kNone,      // no texts at all: roles, names, counts and figures only
};

struct StoreConfig {
  bool enabled = true;
  std::string path = "/var/lib/llmtap/llmtap.db";
  std::chrono::hours keep{24 * 30};
  std::uint64_t max_bytes = std::uint64_t{8} << 30;
  ContentPolicy content = ContentPolicy::kFull;

  bool operator==(const StoreConfig&) const = default;
};

struct JsonLinesConfig {
  std::string path;  // empty: off; "-": stdout
  ContentPolicy content = ContentPolicy::kFull;

  bool operator==(const JsonLinesConfig&) const = default;
};

// Variables and defaults mean what they mean to ddtrace.
struct DatadogConfig {
  std::optional<bool>
      enabled;  // absent: on if anything below was set, or the Agent's socket is there
  std::string site = "datadoghq.com";
  std::string api_key;
  std::optional<bool> agentless;  // absent: the Agent if it offers evp_proxy, else agentless
  std::string agent_url;  // http://, https://, unix://; empty: socket if there, else localhost:8126
  std::string override_origin;  // replaces scheme and host of the intake
  std::string ml_app;
  std::string service;
  std::string env;
  std::string version;
  std::vector<std::string> tags;  // "key:value"
  bool report_sdk_calls = false;  // also calls that a tracer inside the process reports itself
  ContentPolicy content = ContentPolicy::kFull;

  bool operator==(const DatadogConfig&) const = default;
};

struct DeliveryConfig {
  std::string spool_dir = "/var/lib/llmtap/spool";           // empty: memory only
  std::uint64_t spool_max_bytes = std::uint64_t{512} << 20;  // per destination
  std::chrono::milliseconds flush_deadline{5000};            // at shutdown

  bool operator==(const DeliveryConfig&) const = default;
};

// USD per million tokens; absent: as in the built-in table, or free of charge if the model is new.
struct PriceOverride {
  std::string provider;  // empty: any
  std::string model;     // exact, or with a trailing '*'
  std::optional<double> input, cache_read, cache_write, output;

  bool operator==(const PriceOverride&) const = default;
};

// Plaintext HTTP to model servers on this node or in its cluster.
struct PlainHttpConfig {
  bool enabled = true;
  std::chrono::milliseconds linger{60'000};  // after the last socket of interest
  std::vector<std::uint16_t> ports;  // besides the well-known ones and those of known servers

  bool operator==(const PlainHttpConfig&) const = default;
};

struct PatternConfig {
  std::string name, regex;  // RE2

  bool operator==(const PatternConfig&) const = default;
};

struct RedactionConfig {
  std::vector<PatternConfig> patterns;  // where a destination's content is "redacted"
  bool hash_user_ids = false;           // before any destination
  std::string hash_key;                 // empty: a key of this installation
  std::string hash_key_file = "/var/lib/llmtap/user-hash.key";

  bool operator==(const RedactionConfig&) const = default;
};

// The first rule that fits decides; errors are always kept.
struct SamplingConfig {
  std::string when;  // filter; empty: every call
  double rate = 1;
  std::vector<std::string> to;  // destinations; empty: every exporter

  bool operator==(const SamplingConfig&) const = default;
};

// An evaluation metric for each call: true or false by `when`, or `value` where `when` holds.
struct EvaluationConfig {
  std::string label;
  std::string when;        // filter
  std::string only;        // filter: which calls are evaluated; empty: all
  std::string value;       // a number: score; else categorical; empty: boolean
  std::string assessment;  // "pass" or "fail" where `when` holds; empty: none

  bool operator==(const EvaluationConfig&) const = default;
};

// /metrics and /healthz.
struct MetricsConfig {
  std::string listen = "127.0.0.1:9464";  // empty: off
  std::uint64_t max_label_sets = 500;     // combinations of provider, model and service

  bool operator==(const MetricsConfig&) const = default;
};

// Busy processes that never speak to an LLM (userspace/capture/busy_processes.h).
struct UnhookConfig {
  std::uint64_t calls_per_second = 5000;  // 0: none
  std::chrono::milliseconds after{30'000};
  std::chrono::milliseconds retry{600'000};

  bool operator==(const UnhookConfig&) const = default;
};

struct Config {
  StoreConfig store;
  JsonLinesConfig jsonl;
  DatadogConfig datadog;
  OtlpConfig otlp;
  ContentPolicy otlp_content = ContentPolicy::kNone;  // spans and events; metrics have none
  SentryConfig sentry;
  ContentPolicy sentry_content = ContentPolicy::kNone;
  DeliveryConfig delivery;
  std::vector<ProviderName> providers;  // asked before the built-in ones
  std::vector<PriceOverride> prices;    // likewise
  IdentityRules identity;               // where requests say whose session and user they are
  PlainHttpConfig plain_http;
  MetricsConfig metrics;
  RedactionConfig redaction;
  std::vector<SamplingConfig> sampling;
  std::vector<EvaluationConfig> evaluations;
  UnhookConfig unhook;
  std::uint64_t ring_size = std::uint64_t{64} << 20;  // bytes between the kernel and the daemon
  bool terminal = true;                               // a line per call while stdout is a terminal
  bool hold_exec = false;  // hold never-seen programs until they are probed

  bool operator==(const Config&) const = default;
};

inline constexpr const char* kDefaultConfigFile = "/etc/llmtap/llmtap.yaml";

// Merges `text` into `config`. Errors read "FILE:LINE: KEY: what is wrong".
Status merge_yaml(Config& config, const std::string& text, const std::string& file);
Status merge_yaml_file(Config& config, const std::string& file);

// Paths of all keys: "store.path".
std::vector<std::string> config_keys();

// Value of an environment variable, absent if unset.
using Environment = std::function<std::optional<std::string>(const char* name)>;
Environment process_environment();
// Errors name the variable.
Status merge_environment(Config& config, const Environment& environment);

// Defaults and `file` (or kDefaultConfigFile where it exists, if empty): for who only reads the
// store, whom the settings of exporters do not concern.
Result<Config> load_config_file(const std::string& file);
// The same, and the environment.
Result<Config> load_config(const std::string& file, const Environment& environment);

}  // namespace llmtap
