// SPDX-License-Identifier: Apache-2.0
//
// Every key that takes one value: its path and where the value goes.
#include <array>
#include <string_view>

#include "userspace/app/config.h"
#include "userspace/app/config_values.h"

namespace llmtap {
namespace {

// Reads one scalar into its field; the Error says what was expected.
using ReadScalar = Status (*)(Config&, const std::string& value);

// "auto" leaves an optional switch to the program.
Status assign_switch(std::optional<bool>& field, const std::string& value) {
  if (value == "auto") {
    field.reset();
    return Unit{};
  }
  auto parsed = parse_bool(value);
  if (!parsed) return Error{"expected true, false or auto"};
  field = *parsed;
  return Unit{};
}

struct Key {
  std::string_view path;
  ReadScalar read;
};

constexpr std::array kKeys = {
    Key{"store.enabled",
        [](Config& c, const std::string& v) { return assign<parse_bool>(c.store.enabled, v); }},
    Key{"store.path", [](Config& c, const std::string& v) { return assign_text(c.store.path, v); }},
    Key{"store.keep",
        [](Config& c, const std::string& v) { return assign<parse_hours>(c.store.keep, v); }},
    Key{"store.max_size",
        [](Config& c, const std::string& v) { return assign<parse_size>(c.store.max_bytes, v); }},
    Key{"store.content",
        [](Config& c, const std::string& v) { return assign<parse_policy>(c.store.content, v); }},
    Key{"jsonl.path", [](Config& c, const std::string& v) { return assign_text(c.jsonl.path, v); }},
    Key{"jsonl.content",
        [](Config& c, const std::string& v) { return assign<parse_policy>(c.jsonl.content, v); }},
    Key{"datadog.enabled",
        [](Config& c, const std::string& v) { return assign_switch(c.datadog.enabled, v); }},
    Key{"datadog.site",
        [](Config& c, const std::string& v) { return assign<parse_site>(c.datadog.site, v); }},
    Key{"datadog.api_key",
        [](Config& c, const std::string& v) { return assign<parse_secret>(c.datadog.api_key, v); }},
    Key{"datadog.agentless",
        [](Config& c, const std::string& v) { return assign_switch(c.datadog.agentless, v); }},
    Key{"datadog.agent_url",
        [](Config& c, const std::string& v) { return assign<parse_url>(c.datadog.agent_url, v); }},
    Key{"datadog.override_origin",
        [](Config& c, const std::string& v) {
          return assign<parse_url>(c.datadog.override_origin, v);
        }},
    Key{"datadog.ml_app",
        [](Config& c, const std::string& v) { return assign_text(c.datadog.ml_app, v); }},
    Key{"datadog.service",
        [](Config& c, const std::string& v) { return assign_text(c.datadog.service, v); }},
    Key{"datadog.env",
        [](Config& c, const std::string& v) { return assign_text(c.datadog.env, v); }},
    Key{"datadog.version",
        [](Config& c, const std::string& v) { return assign_text(c.datadog.version, v); }},
    Key{"datadog.sdk_calls",
        [](Config& c, const std::string& v) {
          return assign<parse_sdk_calls>(c.datadog.report_sdk_calls, v);
        }},
    Key{"datadog.content",
        [](Config& c, const std::string& v) { return assign<parse_policy>(c.datadog.content, v); }},
    Key{"delivery.spool_dir",
        [](Config& c, const std::string& v) { return assign_text(c.delivery.spool_dir, v); }},
    Key{"delivery.spool_max_size",
        [](Config& c, const std::string& v) {
          return assign<parse_size>(c.delivery.spool_max_bytes, v);
        }},
    Key{"delivery.flush_deadline",
        [](Config& c, const std::string&
                          v) { return assign<parse_milliseconds>(c.delivery.flush_deadline, v); }},
    Key{"plain_http.enabled",
        [](Config& c,
           const std::string& v) { return assign<parse_bool>(c.plain_http.enabled, v); }},
    Key{"plain_http.linger",
        [](Config& c,
           const std::string& v) { return assign<parse_milliseconds>(c.plain_http.linger, v); }},
    Key{"redaction.hash_user_ids",
        [](Config& c,
           const std::string& v) { return assign<parse_bool>(c.redaction.hash_user_ids, v); }},
    Key{"redaction.hash_key",
        [](Config& c, const std::string& v) { return assign_text(c.redaction.hash_key, v); }},
    Key{"redaction.hash_key_file",
        [](Config& c, const std::string& v) { return assign_text(c.redaction.hash_key_file, v); }},
    Key{"metrics.listen",
        [](Config& c, const std::string& v) { return assign<parse_address>(c.metrics.listen, v); }},
    Key{"metrics.max_label_sets",
        [](Config& c,
           const std::string& v) { return assign<parse_count>(c.metrics.max_label_sets, v); }},
    Key{"ring_size",
        [](Config& c, const std::string& v) { return assign<parse_size>(c.ring_size, v); }},
    Key{"unhook.calls_per_second",
        [](Config& c,
           const std::string& v) { return assign<parse_size>(c.unhook.calls_per_second, v); }},
    Key{"unhook.after",
        [](Config& c,
           const std::string& v) { return assign<parse_milliseconds>(c.unhook.after, v); }},
    Key{"unhook.retry",
        [](Config& c,
           const std::string& v) { return assign<parse_milliseconds>(c.unhook.retry, v); }},
    Key{"hold_exec",
        [](Config& c, const std::string& v) { return assign<parse_bool>(c.hold_exec, v); }},
    Key{"terminal",
        [](Config& c, const std::string& v) { return assign<parse_bool>(c.terminal, v); }},
};

}  // namespace

const std::vector<ConfigKey>& scalar_keys() {
  static const std::vector<ConfigKey> keys = [] {
    std::vector<ConfigKey> all = otlp_keys();
    for (const auto& key : kKeys) all.push_back({std::string(key.path), key.read});
    return all;
  }();
  return keys;
}

}  // namespace llmtap
