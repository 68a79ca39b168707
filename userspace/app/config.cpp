// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/config.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "userspace/app/config_lists.h"
#include "userspace/app/config_values.h"

namespace llmtap {
namespace {

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
    return Place{file_, key}.fail(node, what);
  }

  Status mapping(const YAML::Node& node, const std::string& prefix) {
    for (const auto& entry : node) {
      const std::string key = prefix + entry.first.as<std::string>();
      if (auto status = member(key, entry.first, entry.second); !status) return status;
    }
    return Unit{};
  }

  Status member(const std::string& key, const YAML::Node& name, const YAML::Node& value) {
    for (const auto& known : list_keys()) {
      if (known.path == key) return list(known, key, value);
    }
    for (const auto& known : scalar_keys()) {
      if (known.path == key) return scalar(known, key, value);
    }
    if (!is_section(key)) return fail(name, key, "unknown key");
    if (value.IsNull()) return Unit{};
    if (!value.IsMap()) return fail(value, key, "expected a mapping");
    return mapping(value, key + '.');
  }

  static bool is_section(const std::string& key) {
    const auto keys = config_keys();
    return std::any_of(keys.begin(), keys.end(),
                       [&key](const auto& known) { return known.starts_with(key + '.'); });
  }

  Status scalar(const ConfigKey& known, const std::string& key, const YAML::Node& value) {
    if (value.IsNull()) return Unit{};  // "key:" keeps the default
    if (!value.IsScalar()) return fail(value, key, "expected one value");
    auto status = known.read(config_, value.Scalar());
    if (status || holds_secret(key))
      return status ? status : fail(value, key, status.error().message);
    return fail(value, key, status.error().message + ", got '" + value.Scalar() + "'");
  }

  // What is wrong with these is said without them: errors end up in logs.
  static bool holds_secret(const std::string& key) {
    return key.ends_with("api_key") || key.ends_with("headers") || key.ends_with("hash_key") ||
           key.ends_with("dsn");
  }

  Status list(const ListKey& known, const std::string& key, const YAML::Node& value) {
    if (value.IsNull()) return Unit{};
    if (!value.IsSequence()) return fail(value, key, "expected a list");
    for (const auto& item : value) {
      if (auto status = known.read(config_, {file_, key}, item); !status) return status;
    }
    return Unit{};
  }

  Config& config_;
  const std::string file_;
};

}  // namespace

std::vector<std::string> config_keys() {
  std::vector<std::string> keys;
  for (const auto& key : scalar_keys()) keys.push_back(key.path);
  for (const auto& key : list_keys()) keys.emplace_back(key.path);
  return keys;
}

Status merge_yaml(Config& config, const std::string& text, const std::string& file) {
  try {
    return Merge(config, file).root(YAML::Load(text));
  } catch (const YAML::Exception& error) {
    return Error{file + ':' + std::to_string(error.mark.line + 1) + ": " + error.msg};
  }
}

Status merge_yaml_file(Config& config, const std::string& file) {
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored)) return Error{file + ": is a directory"};
  std::ifstream in(file);
  if (!in) return Error{file + ": " + std::strerror(errno)};
  std::ostringstream text;
  text << in.rdbuf();
  if (in.bad()) return Error{file + ": cannot be read"};
  return merge_yaml(config, text.str(), file);
}

Result<Config> load_config_file(const std::string& file) {
  Config config;
  std::error_code ignored;
  if (!file.empty()) {
    if (auto status = merge_yaml_file(config, file); !status) return status.error();
  } else if (std::filesystem::exists(kDefaultConfigFile, ignored)) {
    if (auto status = merge_yaml_file(config, kDefaultConfigFile); !status) return status.error();
  }
  return config;
}

Result<Config> load_config(const std::string& file, const Environment& environment) {
  auto config = load_config_file(file);
  if (!config) return config;
  if (auto status = merge_environment(*config, environment); !status) return status.error();
  return config;
}

}  // namespace llmtap
