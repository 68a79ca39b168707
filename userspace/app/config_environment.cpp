// SPDX-License-Identifier: Apache-2.0
//
// Environment variables, with the meanings that ddtrace gives them.
#include <cstdlib>
#include <filesystem>

#include "userspace/app/config.h"
#include "userspace/app/config_values.h"

namespace llmtap {
namespace {

constexpr const char* kAgentSocket = "/var/run/datadog/apm.socket";
constexpr const char* kAgentPort = "8126";

// Reads variables into fields and remembers the first error and whether any was set.
class Reader {
 public:
  explicit Reader(const Environment& environment) : environment_(environment) {}

  std::optional<std::string> get(const char* name) const {
    auto value = environment_(name);
    if (value && value->empty()) value.reset();
    return value;
  }
  std::optional<std::string> first(std::initializer_list<const char*> names) const {
    for (const char* name : names) {
      if (auto value = get(name)) return value;
    }
    return std::nullopt;
  }
  void text(const char* name, std::string& field) const {
    if (auto value = get(name)) field = *value;
  }
  Status boolean(const char* name, std::optional<bool>& field) const {
    const auto value = get(name);
    if (!value) return Unit{};
    auto parsed = parse_bool(*value);
    if (!parsed)
      return Error{std::string(name) + ": " + parsed.error().message + ", got '" + *value + "'"};
    field = *parsed;
    return Unit{};
  }
  template <auto Parse>
  Status value(const char* name, std::string& field) const {
    const auto value = get(name);
    if (!value) return Unit{};
    if (auto status = assign<Parse>(field, *value); !status)
      return Error{std::string(name) + ": " + status.error().message};
    return Unit{};
  }

 private:
  const Environment& environment_;
};

// An explicit host or port beats the socket; IPv6 hosts are bracketed.
std::string agent_url(const Reader& env) {
  const auto host = env.first({"DD_TRACE_AGENT_HOSTNAME", "DD_AGENT_HOST"});
  const auto port = env.first({"DD_TRACE_AGENT_PORT", "DD_AGENT_PORT"});
  if (!host && !port) return {};
  std::string name = host.value_or("localhost");
  if (name.find(':') != std::string::npos && !name.starts_with('[')) name = '[' + name + ']';
  return "http://" + name + ':' + port.value_or(kAgentPort);
}

}  // namespace

Environment process_environment() {
  return [](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
}

Status merge_environment(Config& config, const Environment& environment) {
  if (auto status = merge_otlp_environment(config, environment); !status) return status;
  const Reader env(environment);
  auto& dd = config.datadog;
  if (auto status = env.value<parse_site>("DD_SITE", dd.site); !status) return status;
  for (const char* name : {"DATADOG_API_KEY", "DD_API_KEY"}) {  // the last one counts
    if (auto status = env.value<parse_secret>(name, dd.api_key); !status) return status;
  }
  env.text("DD_LLMOBS_ML_APP", dd.ml_app);
  env.text("DD_SERVICE", dd.service);
  env.text("DD_ENV", dd.env);
  env.text("DD_VERSION", dd.version);
  if (const auto tags = env.get("DD_TAGS")) {
    for (auto& tag : parse_tags(*tags)) dd.tags.push_back(std::move(tag));
  }
  if (auto status = env.boolean("DD_LLMOBS_ENABLED", dd.enabled); !status) return status;
  if (auto status = env.boolean("DD_LLMOBS_AGENTLESS_ENABLED", dd.agentless); !status)
    return status;
  if (auto url = agent_url(env); !url.empty()) {
    if (auto parsed = parse_url(url); !parsed)
      return Error{"DD_AGENT_HOST: " + parsed.error().message};
    dd.agent_url = std::move(url);
  }
  if (auto status = env.value<parse_url>("DD_TRACE_AGENT_URL", dd.agent_url); !status)
    return status;
  if (auto status = env.value<parse_url>("DD_LLMOBS_OVERRIDE_ORIGIN", dd.override_origin); !status)
    return status;

  std::error_code ignored;
  const bool socket = dd.agent_url.empty() && std::filesystem::is_socket(kAgentSocket, ignored);
  if (!dd.enabled) {
    dd.enabled = !dd.api_key.empty() || dd.agentless == true || !dd.agent_url.empty() ||
                 !dd.override_origin.empty() || socket;
  }
  if (dd.agent_url.empty()) {
    dd.agent_url = socket ? std::string("unix://") + kAgentSocket
                          : std::string("http://localhost:") + kAgentPort;
  }
  if (*dd.enabled && dd.agentless == true && dd.api_key.empty() && dd.override_origin.empty()) {
    return Error{"DD_LLMOBS_AGENTLESS_ENABLED: needs DD_API_KEY as well"};
  }
  return Unit{};
}

}  // namespace llmtap
