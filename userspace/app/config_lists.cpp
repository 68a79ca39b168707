// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/config_lists.h"

#include "userspace/app/config_values.h"

namespace llmtap {
namespace {

template <class Set>
Status fields(const Place& place, const YAML::Node& item, Set set) {
  if (!item.IsMap()) return place.fail(item, "expected a mapping");
  for (const auto& entry : item) {
    const auto name = entry.first.as<std::string>();
    if (!entry.second.IsScalar()) return place.fail(entry.second, name, "expected one value");
    auto status = set(name, entry.second.Scalar());
    if (!status) return place.fail(entry.second, name, status.error().message);
  }
  return Unit{};
}

Status tag(Config& config, const Place& place, const YAML::Node& item) {
  if (!item.IsScalar() || item.Scalar().find(':') == std::string::npos) {
    return place.fail(item, "expected \"name:value\"");
  }
  config.datadog.tags.push_back(item.Scalar());
  return Unit{};
}

Status port(Config& config, const Place& place, const YAML::Node& item) {
  constexpr int kMost = 65535;
  int port = 0;
  if (!item.IsScalar() || !YAML::convert<int>::decode(item, port) || port < 1 || port > kMost) {
    return place.fail(item, "expected a port number");
  }
  config.plain_http.ports.push_back(static_cast<std::uint16_t>(port));
  return Unit{};
}

Status provider(Config& config, const Place& place, const YAML::Node& item) {
  ProviderName row;
  auto status = fields(place, item, [&row](const std::string& name, const std::string& value) {
    if (name == "host") return assign_text(row.host, value);
    if (name == "label") return assign_text(row.label, value);
    return Status{Error{"unknown key"}};
  });
  if (!status) return status;
  if (row.host.empty() || row.label.empty()) return place.fail(item, "needs host and label");
  config.providers.push_back(std::move(row));
  return Unit{};
}

Status identity(std::vector<IdentityRule>& rules, const Place& place, const YAML::Node& item) {
  IdentityRule row;
  auto status = fields(place, item, [&row](const std::string& name, const std::string& value) {
    if (name == "header") return assign<parse_header_name>(row.header, value);
    if (name == "json") return assign<parse_json_path>(row.json, value);
    return Status{Error{"unknown key"}};
  });
  if (!status) return status;
  if (row == IdentityRule{}) return place.fail(item, "needs header, json or both");
  rules.push_back(std::move(row));
  return Unit{};
}

Status price(Config& config, const Place& place, const YAML::Node& item) {
  PriceOverride row;
  auto status = fields(place, item, [&row](const std::string& name, const std::string& value) {
    if (name == "provider") return assign_text(row.provider, value);
    if (name == "model") return assign_text(row.model, value);
    if (name == "input") return assign<parse_price>(row.input, value);
    if (name == "cache_read") return assign<parse_price>(row.cache_read, value);
    if (name == "cache_write") return assign<parse_price>(row.cache_write, value);
    if (name == "output") return assign<parse_price>(row.output, value);
    return Status{Error{"unknown key"}};
  });
  if (!status) return status;
  if (row.model.empty()) return place.fail(item, "needs model");
  config.prices.push_back(std::move(row));
  return Unit{};
}

Status pattern(Config& config, const Place& place, const YAML::Node& item) {
  PatternConfig row;
  auto status = fields(place, item, [&row](const std::string& name, const std::string& value) {
    if (name == "name") return assign<parse_label>(row.name, value);
    if (name == "regex") return assign<parse_regex>(row.regex, value);
    return Status{Error{"unknown key"}};
  });
  if (!status) return status;
  if (row.name.empty() || row.regex.empty()) return place.fail(item, "needs name and regex");
  config.redaction.patterns.push_back(std::move(row));
  return Unit{};
}

Status sampling(Config& config, const Place& place, const YAML::Node& item) {
  SamplingConfig row;
  bool rated = false;
  auto status = fields(place, item, [&](const std::string& name, const std::string& value) {
    if (name == "when") return assign<parse_condition>(row.when, value);
    if (name == "to") return assign<parse_names>(row.to, value);
    if (name != "rate") return Status{Error{"unknown key"}};
    rated = true;
    return assign<parse_rate>(row.rate, value);
  });
  if (!status) return status;
  if (!rated) return place.fail(item, "needs rate");
  config.sampling.push_back(std::move(row));
  return Unit{};
}

Status evaluation(Config& config, const Place& place, const YAML::Node& item) {
  EvaluationConfig row;
  auto status = fields(place, item, [&row](const std::string& name, const std::string& value) {
    if (name == "label") return assign<parse_label>(row.label, value);
    if (name == "when") return assign<parse_condition>(row.when, value);
    if (name == "only") return assign<parse_condition>(row.only, value);
    if (name == "value") return assign_text(row.value, value);
    if (name == "assessment") return assign<parse_assessment>(row.assessment, value);
    return Status{Error{"unknown key"}};
  });
  if (!status) return status;
  if (row.label.empty() || row.when.empty()) return place.fail(item, "needs label and when");
  config.evaluations.push_back(std::move(row));
  return Unit{};
}

}  // namespace

Error Place::fail(const YAML::Node& node, const std::string& what) const {
  std::string place = file + ':' + std::to_string(node.Mark().line + 1) + ": ";
  if (!key.empty()) place += key + ": ";
  return Error{place + what};
}

Error Place::fail(const YAML::Node& node, const std::string& member,
                  const std::string& what) const {
  return Place{file, key + '.' + member}.fail(node, what);
}

const std::vector<ListKey>& list_keys() {
  static const std::vector<ListKey> keys = {
      {"datadog.tags", tag},
      {"plain_http.ports", port},
      {"redaction.patterns", pattern},
      {"sampling", sampling},
      {"evaluations", evaluation},
      {"providers", provider},
      {"prices", price},
      {"sessions",
       [](Config& c, const Place& place, const YAML::Node& item) {
         return identity(c.identity.sessions, place, item);
       }},
      {"users", [](Config& c, const Place& place,
                   const YAML::Node& item) { return identity(c.identity.users, place, item); }},
  };
  return keys;
}

}  // namespace llmtap
