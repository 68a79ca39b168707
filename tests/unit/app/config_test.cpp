// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/config.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <set>

#include "userspace/app/config_values.h"

using namespace llmtap;

namespace {

Environment environment(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
  };
}

}  // namespace

TEST_CASE("config: errors name file, line and key", "[unit]") {
  struct Case {
    const char* name;
    const char* yaml;
    const char* error;
  };
  const Case cases[] = {
      {"unknown key", "store:\n  pth: x\n", "c.yaml:2: store.pth: unknown key"},
      {"unknown section", "\nshop: 1\n", "c.yaml:2: shop: unknown key"},
      {"bad bool", "store:\n  enabled: maybe\n",
       "c.yaml:2: store.enabled: expected true or false, got 'maybe'"},
      {"bad size", "store:\n  max_size: 3 apples\n",
       "c.yaml:2: store.max_size: expected a size such as 512MB or 8GB, got '3 apples'"},
      {"bad policy", "jsonl: {content: some}",
       "c.yaml:1: jsonl.content: expected full, redacted or none, got 'some'"},
      {"section is a value", "store: 5", "c.yaml:1: store: expected a mapping"},
      {"value is a list", "datadog:\n  site: [a]\n", "c.yaml:2: datadog.site: expected one value"},
      {"bad url", "datadog:\n  agent_url: localhost\n",
       "c.yaml:2: datadog.agent_url: 'localhost': expected http://, https:// or unix://, got "
       "'localhost'"},
      {"tag without colon", "datadog:\n  tags:\n    - team\n",
       "c.yaml:3: datadog.tags: expected \"name:value\""},
      {"provider without label", "providers:\n  - host: a.b\n",
       "c.yaml:2: providers: needs host and label"},
      {"negative price", "prices:\n  - model: m\n    input: -1\n",
       "c.yaml:3: prices.input: expected USD per million tokens, such as 0.5"},
      {"rule without a place", "users:\n  - {}\n", "c.yaml:2: users: needs header, json or both"},
      {"rule for a credential", "sessions:\n  - header: X-Api-Key\n",
       "c.yaml:2: sessions.header: headers with credentials are never read"},
      {"bad JSON path", "sessions:\n  - json: a.b\n",
       "c.yaml:2: sessions.json: expected a JSON path such as $.metadata.session_id or "
       "$.messages[0].name"},
      {"bad sdk_calls", "datadog: {sdk_calls: x}\n",
       "c.yaml:1: datadog.sdk_calls: expected leave or report, got 'x'"},
      {"site that is a URL", "datadog: {site: 'https://datadoghq.eu/'}\n",
       "c.yaml:1: datadog.site: expected a host such as datadoghq.eu, without https://, got "
       "'https://datadoghq.eu/'"},
      {"a secret is not repeated", "datadog: {api_key: 'abc def'}\n",
       "c.yaml:1: datadog.api_key: expected one word"},
      {"headers are not repeated", "otlp: {headers: 'Authorization=Bearer%0Atoken'}\n",
       "c.yaml:1: otlp.headers: a header holds a line break"},
      {"sampling for nobody", "sampling:\n  - {rate: 0.5, to: datadgo}\n",
       "c.yaml:2: sampling.to: unknown destination 'datadgo', expected store, jsonl, datadog, "
       "otlp, "
       "sentry"},
      {"not a mapping", "- a\n", "c.yaml:1: expected a mapping of sections"},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      Config config;
      const auto status = merge_yaml(config, c.yaml, "c.yaml");
      REQUIRE_FALSE(status.ok());
      CHECK(status.error().message == c.error);
    }
  }
  Config config;
  const auto broken = merge_yaml(config, "store:\n  path: [x\n", "c.yaml");
  REQUIRE_FALSE(broken.ok());
  CHECK(broken.error().message.starts_with("c.yaml:"));
  CHECK_FALSE(merge_yaml_file(config, "/nonexistent/c.yaml").ok());
  CHECK(merge_yaml_file(config, "/").error().message == "/: is a directory");
}

TEST_CASE("config: a file merges with the defaults", "[unit]") {
  Config config;
  REQUIRE(merge_yaml(config, R"(
store: {keep: 7d, max_size: 2GB}
datadog:
  site: datadoghq.eu
  agentless: auto
  tags: ["team:ml"]
  sdk_calls: report
  api_key:
prices:
  - {provider: openai, model: "my-*", input: 1, output: 2.5}
providers:
  - {host: llm.corp, label: corp}
sessions:
  - {header: X-Chat-Id}
  - {json: "$.metadata.session"}
users:
  - {header: x-meta, json: $._user}
)",
                     "c.yaml")
              .ok());
  Config expected;
  expected.store.keep = std::chrono::hours{7 * 24};
  expected.store.max_bytes = std::uint64_t{2} << 30;
  expected.datadog.site = "datadoghq.eu";
  expected.datadog.tags = {"team:ml"};
  expected.datadog.report_sdk_calls = true;
  expected.prices = {{"openai", "my-*", 1.0, {}, {}, 2.5}};
  expected.providers = {{"llm.corp", "corp"}};
  expected.identity.sessions = {{"x-chat-id", {}}, {"", {"metadata", "session"}}};
  expected.identity.users = {{"x-meta", {"_user"}}};
  CHECK(config == expected);
  CHECK(merge_yaml(config, "", "empty.yaml").ok());
  CHECK(config == expected);
}

TEST_CASE("config: the shipped file says the defaults", "[unit]") {
  Config config;
  const auto status = merge_yaml_file(config, LLMTAP_CONFIG);
  INFO((status.ok() ? "" : status.error().message));
  REQUIRE(status.ok());
  CHECK(config == Config{});
}

TEST_CASE("config: the shipped file has every key", "[unit]") {
  std::ifstream in(LLMTAP_CONFIG);
  REQUIRE(in);
  // Paths by indentation; a commented key counts, text of a comment does not look like one.
  std::set<std::string> written;
  std::vector<std::string> sections;
  for (std::string line; std::getline(in, line);) {
    const auto begin = line.find_first_not_of(' ');
    const auto colon = line.find(':');
    if (begin == std::string::npos || line[begin] == '#' || colon == std::string::npos) continue;
    sections.resize(std::min(sections.size(), begin / 2));
    std::string path;
    for (const auto& section : sections) path += section + '.';
    const auto name = line.substr(begin, colon - begin);
    written.insert(path + name);
    sections.push_back(name);
  }
  for (const auto& key : config_keys()) {
    INFO("config/llmtap.yaml lacks " << key);
    CHECK(written.contains(key));
  }
}

TEST_CASE("config: DD_* variables mean what ddtrace means", "[unit]") {
  struct Case {
    const char* name;
    std::map<std::string, std::string> variables;
    bool enabled;
    std::optional<bool> agentless;
    std::string agent_url;
  };
  const Case cases[] = {
      {"key alone", {{"DD_API_KEY", "k"}}, true, {}, "http://localhost:8126"},
      {"host", {{"DD_AGENT_HOST", "agent"}}, true, {}, "http://agent:8126"},
      {"older host name wins",
       {{"DD_AGENT_HOST", "a"}, {"DD_TRACE_AGENT_HOSTNAME", "b"}},
       true,
       {},
       "http://b:8126"},
      {"port", {{"DD_TRACE_AGENT_PORT", "9126"}}, true, {}, "http://localhost:9126"},
      {"IPv6", {{"DD_AGENT_HOST", "::1"}}, true, {}, "http://[::1]:8126"},
      {"url wins",
       {{"DD_AGENT_HOST", "a"}, {"DD_TRACE_AGENT_URL", "unix:///run/x.sock"}},
       true,
       {},
       "unix:///run/x.sock"},
      {"agentless",
       {{"DD_API_KEY", "k"}, {"DD_LLMOBS_AGENTLESS_ENABLED", "1"}},
       true,
       true,
       "http://localhost:8126"},
      {"agent only",
       {{"DD_LLMOBS_AGENTLESS_ENABLED", "false"}, {"DD_API_KEY", "k"}},
       true,
       false,
       "http://localhost:8126"},
      {"switched off",
       {{"DD_API_KEY", "k"}, {"DD_LLMOBS_ENABLED", "0"}},
       false,
       {},
       "http://localhost:8126"},
      {"empty is unset",
       {{"DD_API_KEY", ""}, {"DD_AGENT_HOST", ""}},
       false,
       {},
       "http://localhost:8126"},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      Config config;
      REQUIRE(merge_environment(config, environment(c.variables)).ok());
      CHECK(config.datadog.enabled == c.enabled);
      CHECK(config.datadog.agentless == c.agentless);
      CHECK(config.datadog.agent_url == c.agent_url);
    }
  }
  Config config;
  REQUIRE(
      merge_environment(config, environment({{"DD_SITE", "us3.datadoghq.com"},
                                             {"DD_LLMOBS_ML_APP", "shop"},
                                             {"DD_SERVICE", "s"},
                                             {"DD_ENV", "e"},
                                             {"DD_VERSION", "v"},
                                             {"DD_TAGS", "a:b, c:d,junk"},
                                             {"DD_LLMOBS_OVERRIDE_ORIGIN", "http://localhost:1"}}))
          .ok());
  CHECK(config.datadog.site == "us3.datadoghq.com");
  CHECK(config.datadog.ml_app == "shop");
  CHECK(config.datadog.tags == std::vector<std::string>{"a:b", "c:d"});
  CHECK(config.datadog.enabled == true);

  const auto bad = merge_environment(config, environment({{"DD_TRACE_AGENT_URL", "agent"}}));
  REQUIRE_FALSE(bad.ok());
  CHECK(bad.error().message.starts_with("DD_TRACE_AGENT_URL: "));
  CHECK_FALSE(merge_environment(config, environment({{"DD_LLMOBS_ENABLED", "perhaps"}})).ok());
  CHECK_FALSE(merge_environment(config, environment({{"DD_SITE", "https://datadoghq.eu"}})).ok());
  const auto secret = merge_environment(config, environment({{"DD_API_KEY", "k1\nX-Evil: 1"}}));
  REQUIRE_FALSE(secret.ok());
  CHECK(secret.error().message == "DD_API_KEY: expected one word");
  REQUIRE(merge_environment(config, environment({{"DD_API_KEY", " k1\n"}})).ok());  // from a file
  CHECK(config.datadog.api_key == "k1");
  Config fresh;
  CHECK_FALSE(merge_environment(fresh, environment({{"DD_LLMOBS_AGENTLESS_ENABLED", "1"}})).ok());
}

TEST_CASE("config: values", "[unit]") {
  CHECK(*parse_size("512MB") == std::uint64_t{512} << 20);
  CHECK(*parse_size("1048576") == 1048576);
  CHECK_FALSE(parse_size("99999999999999GB").ok());
  CHECK_FALSE(parse_size("-1").ok());
  CHECK(parse_hours("30d")->count() == 720);
  CHECK_FALSE(parse_hours("0d").ok());
  CHECK(parse_milliseconds("5s")->count() == 5000);
  CHECK(parse_milliseconds("7d")->count() == 7 * 86'400'000);
  CHECK_FALSE(parse_milliseconds("9999999999d").ok());
  for (const char* on : {"true", "TRUE", "Yes", "on", "1"}) CHECK(*parse_bool(on));
  for (const char* off : {"false", "False", "NO", "off", "0"}) CHECK_FALSE(*parse_bool(off));
  CHECK_FALSE(parse_bool("2").ok());
  CHECK(parse_tags("a:b c:d") == std::vector<std::string>{"a:b", "c:d"});
  CHECK(parse_tags("").empty());
}
