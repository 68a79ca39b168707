// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/content_rules.h"

#include <catch2/catch.hpp>

#include "userspace/app/enrichment.h"

using namespace llmtap;

namespace {

SharedCall call_of(std::string text, std::string service = "shop") {
  auto call = std::make_shared<CallRecord>();
  call->id = "id-1";
  call->provider = "openai";
  call->http_status = 200;
  call->process.service = std::move(service);
  Message message;
  message.role = "user";
  message.parts.emplace_back().text = std::move(text);
  call->input = {message};
  return call;
}

const std::string& text_of(const SharedCall& call) { return call->input[0].parts[0].text; }

}  // namespace

TEST_CASE("config: errors of masking, sampling and evaluations", "[unit]") {
  struct Case {
    const char* name;
    const char* yaml;
    const char* error;
  };
  const Case cases[] = {
      {"bad regex", "redaction:\n  patterns:\n    - {name: x, regex: '('}\n",
       "c.yaml:3: redaction.patterns.regex: missing ): ("},
      {"backreference", "redaction:\n  patterns:\n    - name: x\n      regex: '(a)\\1'\n",
       "c.yaml:4: redaction.patterns.regex: invalid escape sequence: \\1"},
      {"empty match", "redaction: {patterns: [{name: x, regex: 'a*'}]}",
       "c.yaml:1: redaction.patterns.regex: matches the empty text"},
      {"no name", "redaction: {patterns: [{regex: a}]}",
       "c.yaml:1: redaction.patterns: needs name and regex"},
      {"bad name", "redaction: {patterns: [{name: 'a b', regex: a}]}",
       "c.yaml:1: redaction.patterns.name: expected letters, digits, '_' and '-'"},
      {"bad filter", "sampling:\n  - {when: 'colour:red', rate: 0.5}\n",
       "c.yaml:2: sampling.when: column 1: unknown field 'colour'"},
      {"bad rate", "sampling:\n  - {rate: 2}\n", "c.yaml:2: sampling.rate: expected a share"},
      {"no rate", "sampling:\n  - {when: 'model:x'}\n", "c.yaml:2: sampling: needs rate"},
      {"label with dot", "evaluations: [{label: a.b, when: 'status:error'}]",
       "c.yaml:1: evaluations.label: expected letters"},
      {"no condition", "evaluations: [{label: a}]", "c.yaml:1: evaluations: needs label and when"},
      {"bad assessment", "evaluations: [{label: a, when: b, assessment: good}]",
       "c.yaml:1: evaluations.assessment: expected pass or fail"},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      Config config;
      const auto status = merge_yaml(config, c.yaml, "c.yaml");
      REQUIRE_FALSE(status.ok());
      CHECK_THAT(status.error().message, Catch::StartsWith(c.error));
    }
  }
}

TEST_CASE("content rules: policy, patterns and sampling of a destination", "[unit]") {
  Config config;
  REQUIRE(merge_yaml(config, R"(
redaction: {patterns: [{name: employee, regex: 'EMP-\d{6}'}]}
sampling:
  - {when: 'service:batch', rate: 0}
  - {when: 'service:night', rate: 0, to: "datadog, store"}
)",
                     "c.yaml")
              .ok());
  const auto call = call_of("mail jane@example.com, EMP-123456");

  const auto full = content_rules(config, "datadog", ContentPolicy::kFull);
  CHECK(full(call) == call);  // no copy
  CHECK(full(call_of("x", "batch")) == nullptr);
  CHECK(full(call_of("x", "night")) == nullptr);
  auto failed = std::make_shared<CallRecord>(*call_of("x", "batch"));
  failed->http_status = 500;
  CHECK(full(failed) != nullptr);

  const auto redacted = content_rules(config, "jsonl", ContentPolicy::kRedacted);
  CHECK(text_of(redacted(call)) == "mail [REDACTED:email], [REDACTED:employee]");
  CHECK(text_of(call) == "mail jane@example.com, EMP-123456");  // others still see it
  CHECK(redacted(call_of("x", "batch")) == nullptr);
  CHECK(redacted(call_of("x", "night")) != nullptr);

  const auto none = content_rules(config, "store", ContentPolicy::kNone);
  CHECK(text_of(none(call)).empty());
  CHECK(none(call_of("x", "batch")) != nullptr);  // the store only if named
  CHECK(none(call_of("x", "night")) == nullptr);

  CHECK_FALSE(content_rules(Config{}, "store", ContentPolicy::kFull));  // nothing to do
}

TEST_CASE("enrichment: ids of users are hashed before any destination", "[unit]") {
  Config config;
  config.redaction.hash_user_ids = true;
  config.redaction.hash_key = "k";
  Enrichment enrichment(config);
  CallRecord call = *call_of("x");
  call.user_id = "jane";
  call.params = {{"user", "\"jane\""}};
  enrichment.apply(call);
  CHECK(call.user_id == UserHash("k").of("jane"));
  CHECK(call.params[0].json == '"' + call.user_id + '"');
  Enrichment plain{Config{}};
  CallRecord other = *call_of("x");
  other.user_id = "jane";
  plain.apply(other);
  CHECK(other.user_id == "jane");
}
