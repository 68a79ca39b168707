// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/config.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>

#include "userspace/app/config_values.h"

namespace llmtap {
namespace {

// Reads one scalar into its field; the Error says what was expected.
using ReadScalar = Status (*)(Config&, const std::string& value);

template <auto Parse, class Field>
Status assign(Field& field, const std::string& value) {
  auto parsed = Parse(value);
  if (!parsed) return parsed.error();
  field = std::move(*parsed);
  return Unit{};
}

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

Status assign_text(std::string& field, const std::string& value) {
  field = value;
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
        [](Config& c, const std::string& v) { return assign_text(c.datadog.site, v); }},
    Key{"datadog.api_key",
        [](Config& c, const std::string& v) { return assign_text(c.datadog.api_key, v); }},
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
        [](Config& c, const std::string& v) {
          return assign<parse_milliseconds>(c.delivery.flush_deadline, v);
        }},
    Key{"plain_http.enabled",
        [](Config& c, const std::string& v) { return assign<parse_bool>(c.plain_http.enabled, v); }},
    Key{"plain_http.linger",
        [](Config& c, const std::string& v) {
          return assign<parse_milliseconds>(c.plain_http.linger, v);
        }},
    Key{"redaction.hash_user_ids",
        [](Config& c, const std::string& v) {
          return assign<parse_bool>(c.redaction.hash_user_ids, v);
        }},
    Key{"redaction.hash_key",
        [](Config& c, const std::string& v) { return assign_text(c.redaction.hash_key, v); }},
    Key{"redaction.hash_key_file",
        [](Config& c, const std::string& v) { return assign_text(c.redaction.hash_key_file, v); }},
    Key{"metrics.listen",
        [](Config& c, const std::string& v) { return assign<parse_address>(c.metrics.listen, v); }},
    Key{"metrics.max_label_sets",
        [](Config& c, const std::string& v) {
          return assign<parse_count>(c.metrics.max_label_sets, v);
        }},
    Key{"unhook.calls_per_second",
        [](Config& c, const std::string& v) {
          return assign<parse_size>(c.unhook.calls_per_second, v);
        }},
    Key{"unhook.after",
        [](Config& c, const std::string& v) {
          return assign<parse_milliseconds>(c.unhook.after, v);
        }},
    Key{"unhook.retry",
        [](Config& c, const std::string& v) {
          return assign<parse_milliseconds>(c.unhook.retry, v);
        }},
    Key{"hold_exec",
        [](Config& c, const std::string& v) { return assign<parse_bool>(c.hold_exec, v); }},
    Key{"terminal",
        [](Config& c, const std::string& v) { return assign<parse_bool>(c.terminal, v); }},
};

// Walks one document and keeps the place for errors.
class Merge {
 public:
  Merge(Config& config, std::string file) : config_(config), file_(std::move(file)) {}

  Status root(const YAML::Node& node) {
    if (node.IsNull()) return Unit{};
    if (!node.IsMap()) return fail(node, "", "expected a mapping of sections");
    return mapping(node, "");
  }

 private:
  Error fail(const YAML::Node& node, const std::string& key, const std::string& what) const {
    std::string place = file_ + ':' + std::to_string(node.Mark().line + 1) + ": ";
    if (!key.empty()) place += key + ": ";
    return Error{place + what};
  }

  Status mapping(const YAML::Node& node, const std::string& prefix) {
    for (const auto& entry : node) {
      const std::string key = prefix + entry.first.as<std::string>();
      if (auto status = member(key, entry.first, entry.second); !status) return status;
    }
    return Unit{};
  }

  Status member(const std::string& key, const YAML::Node& name, const YAML::Node& value) {
    if (key == "datadog.tags")
      return list(key, value, [this](const auto& k, const auto& n) { return tag(k, n); });
    if (key == "plain_http.ports")
      return list(key, value, [this](const auto& k, const auto& n) { return port(k, n); });
    if (key == "redaction.patterns")
      return list(key, value, [this](const auto& k, const auto& n) { return pattern(k, n); });
    if (key == "sampling")
      return list(key, value, [this](const auto& k, const auto& n) { return sampling(k, n); });
    if (key == "evaluations")
      return list(key, value, [this](const auto& k, const auto& n) { return evaluation(k, n); });
    if (key == "providers")
      return list(key, value, [this](const auto& k, const auto& n) { return provider(k, n); });
    if (key == "prices")
      return list(key, value, [this](const auto& k, const auto& n) { return price(k, n); });
    if (key == "sessions" || key == "users") {
      auto& rules = key == "users" ? config_.identity.users : config_.identity.sessions;
      return list(key, value, [&](const auto& k, const auto& n) { return identity(k, n, rules); });
    }
    for (const auto& known : kKeys) {
      if (known.path == key) return scalar(known, key, value);
    }
    for (const auto& known : otlp_keys()) {
      if (known.path == key) return scalar(known, key, value);
    }
    if (!is_section(key)) return fail(name, key, "unknown key");
    if (value.IsNull()) return Unit{};
    if (!value.IsMap()) return fail(value, key, "expected a mapping");
    return mapping(value, key + '.');
  }

  static bool is_section(const std::string& key) {
    const auto inside = [&key](const auto& known) { return known.path.starts_with(key + '.'); };
    return std::any_of(kKeys.begin(), kKeys.end(), inside) ||
           std::any_of(otlp_keys().begin(), otlp_keys().end(), inside);
  }

  template <class AnyKey>
  Status scalar(const AnyKey& known, const std::string& key, const YAML::Node& value) {
    if (value.IsNull()) return Unit{};  // "key:" keeps the default
    if (!value.IsScalar()) return fail(value, key, "expected one value");
    auto status = known.read(config_, value.Scalar());
    if (!status) return fail(value, key, status.error().message + ", got '" + value.Scalar() + "'");
    return status;
  }

  template <class Element>
  Status list(const std::string& key, const YAML::Node& value, Element element) {
    if (value.IsNull()) return Unit{};
    if (!value.IsSequence()) return fail(value, key, "expected a list");
    for (const auto& item : value) {
      if (auto status = element(key, item); !status) return status;
    }
    return Unit{};
  }

  Status tag(const std::string& key, const YAML::Node& item) {
    if (!item.IsScalar() || item.Scalar().find(':') == std::string::npos) {
      return fail(item, key, "expected \"name:value\"");
    }
    config_.datadog.tags.push_back(item.Scalar());
    return Unit{};
  }

  Status port(const std::string& key, const YAML::Node& item) {
    constexpr int kMost = 65535;
    int port = 0;
    if (!item.IsScalar() || !YAML::convert<int>::decode(item, port) || port < 1 || port > kMost) {
      return fail(item, key, "expected a port number");
    }
    config_.plain_http.ports.push_back(static_cast<std::uint16_t>(port));
    return Unit{};
  }

  Status provider(const std::string& key, const YAML::Node& item) {
    ProviderName row;
    auto status = fields(key, item, [&row](const std::string& name, const std::string& value) {
      if (name == "host") return assign_text(row.host, value);
      if (name == "label") return assign_text(row.label, value);
      return Status{Error{"unknown key"}};
    });
    if (!status) return status;
    if (row.host.empty() || row.label.empty()) return fail(item, key, "needs host and label");
    config_.providers.push_back(std::move(row));
    return Unit{};
  }

  Status identity(const std::string& key, const YAML::Node& item,
                  std::vector<IdentityRule>& rules) {
    IdentityRule row;
    auto status = fields(key, item, [&row](const std::string& name, const std::string& value) {
      if (name == "header") return assign<parse_header_name>(row.header, value);
      if (name == "json") return assign<parse_json_path>(row.json, value);
      return Status{Error{"unknown key"}};
    });
    if (!status) return status;
    if (row == IdentityRule{}) return fail(item, key, "needs header, json or both");
    rules.push_back(std::move(row));
    return Unit{};
  }

  Status price(const std::string& key, const YAML::Node& item) {
    PriceOverride row;
    auto status = fields(key, item, [&row](const std::string& name, const std::string& value) {
      if (name == "provider") return assign_text(row.provider, value);
      if (name == "model") return assign_text(row.model, value);
      if (name == "input") return assign<parse_price>(row.input, value);
      if (name == "cache_read") return assign<parse_price>(row.cache_read, value);
      if (name == "cache_write") return assign<parse_price>(row.cache_write, value);
      if (name == "output") return assign<parse_price>(row.output, value);
      return Status{Error{"unknown key"}};
    });
    if (!status) return status;
    if (row.model.empty()) return fail(item, key, "needs model");
    config_.prices.push_back(std::move(row));
    return Unit{};
  }

  Status pattern(const std::string& key, const YAML::Node& item) {
    PatternConfig row;
    auto status = fields(key, item, [&row](const std::string& name, const std::string& value) {
      if (name == "name") return assign<parse_label>(row.name, value);
      if (name == "regex") return assign<parse_regex>(row.regex, value);
      return Status{Error{"unknown key"}};
    });
    if (!status) return status;
    if (row.name.empty() || row.regex.empty()) return fail(item, key, "needs name and regex");
    config_.redaction.patterns.push_back(std::move(row));
    return Unit{};
  }

  Status sampling(const std::string& key, const YAML::Node& item) {
    SamplingConfig row;
    bool rated = false;
    auto status = fields(key, item, [&](const std::string& name, const std::string& value) {
      if (name == "when") return assign<parse_condition>(row.when, value);
      if (name == "to") return assign<parse_names>(row.to, value);
      if (name != "rate") return Status{Error{"unknown key"}};
      rated = true;
      return assign<parse_rate>(row.rate, value);
    });
    if (!status) return status;
    if (!rated) return fail(item, key, "needs rate");
    config_.sampling.push_back(std::move(row));
    return Unit{};
  }

  Status evaluation(const std::string& key, const YAML::Node& item) {
    EvaluationConfig row;
    auto status = fields(key, item, [&row](const std::string& name, const std::string& value) {
      if (name == "label") return assign<parse_label>(row.label, value);
      if (name == "when") return assign<parse_condition>(row.when, value);
      if (name == "only") return assign<parse_condition>(row.only, value);
      if (name == "value") return assign_text(row.value, value);
      if (name == "assessment") return assign<parse_assessment>(row.assessment, value);
      return Status{Error{"unknown key"}};
    });
    if (!status) return status;
    if (row.label.empty() || row.when.empty()) return fail(item, key, "needs label and when");
    config_.evaluations.push_back(std::move(row));
    return Unit{};
  }

  template <class Set>
  Status fields(const std::string& key, const YAML::Node& item, Set set) {
    if (!item.IsMap()) return fail(item, key, "expected a mapping");
    for (const auto& entry : item) {
      const auto name = entry.first.as<std::string>();
      if (!entry.second.IsScalar())
        return fail(entry.second, key + '.' + name, "expected one value");
      auto status = set(name, entry.second.Scalar());
      if (!status) return fail(entry.second, key + '.' + name, status.error().message);
    }
    return Unit{};
  }

  Config& config_;
  const std::string file_;
};

}  // namespace

Status merge_yaml(Config& config, const std::string& text, const std::string& file) {
  try {
    return Merge(config, file).root(YAML::Load(text));
  } catch (const YAML::Exception& error) {
    return Error{file + ':' + std::to_string(error.mark.line + 1) + ": " + error.msg};
  }
}

Status merge_yaml_file(Config& config, const std::string& file) {
  std::ifstream in(file);
  if (!in) return Error{file + ": " + std::strerror(errno)};
  std::ostringstream text;
  text << in.rdbuf();
  return merge_yaml(config, text.str(), file);
}

Result<Config> load_config(const std::string& file, const Environment& environment) {
  Config config;
  std::error_code ignored;
  if (!file.empty()) {
    if (auto status = merge_yaml_file(config, file); !status) return status.error();
  } else if (std::filesystem::exists(kDefaultConfigFile, ignored)) {
    if (auto status = merge_yaml_file(config, kDefaultConfigFile); !status) return status.error();
  }
  if (auto status = merge_environment(config, environment); !status) return status.error();
  return config;
}

}  // namespace llmtap
