// SPDX-License-Identifier: Apache-2.0
//
// Session and user of a call: rules of the configuration, propagated traces, vendors' fields,
// baggage, well-known headers, in this order.
#include "parsers/assembly/identity.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/unit/assembly/fold_support.h"

namespace llmtap {
namespace {

IdentityRule rule(const char* header, const char* path) {
  IdentityRule made;
  made.header = header;
  if (*path != '\0') made.json = *parse_json_path(path);
  return made;
}

TEST_CASE("identity: JSON paths", "[unit]") {
  struct Case {
    const char* text;
    std::vector<std::string> steps;  // empty: refused
  };
  const Case cases[] = {{"$.a", {"a"}},
                        {"$.metadata.session_id", {"metadata", "session_id"}},
                        {"$.messages[0].name", {"messages", "0", "name"}},
                        {"$['a b'].c", {"a b", "c"}},
                        {"$", {}},
                        {"", {}},
                        {"a.b", {}},
                        {"$.", {}},
                        {"$.a.", {}},
                        {"$.a[x]", {}},
                        {"$.a[", {}},
                        {"$['a", {}},
                        {"$..a", {}}};
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.text) {
      const auto path = parse_json_path(c.text);
      REQUIRE(path.ok() == !c.steps.empty());
      if (path.ok()) CHECK(*path == c.steps);
    }
  }
}

TEST_CASE("identity: rules", "[unit]") {
  JsonDocument document;
  const Json body = document.parse(
      R"({"metadata":{"session":"s1","n":42,"o":{}},"messages":[{"name":"bob"}],"key":"sk-0123456789abcdefghij"})");
  const Headers headers = {{"x-chat", "c1"}, {"x-meta", R"({"_user":"ann","deep":[{"id":7}]})"}};
  struct Case {
    const char* name;
    std::vector<IdentityRule> rules;
    const char* id;
  };
  const Case cases[] = {
      {"header", {rule("x-chat", "")}, "c1"},
      {"body", {rule("", "$.metadata.session")}, "s1"},
      {"number", {rule("", "$.metadata.n")}, "42"},
      {"array", {rule("", "$.messages[0].name")}, "bob"},
      {"out of range", {rule("", "$.messages[7].name")}, ""},
      {"JSON in a header", {rule("x-meta", "$._user")}, "ann"},
      {"deep JSON in a header", {rule("x-meta", "$.deep[0].id")}, "7"},
      {"no JSON in a header", {rule("x-chat", "$.a")}, ""},
      {"an object is no id", {rule("", "$.metadata.o")}, ""},
      {"a credential is no id", {rule("", "$.key")}, ""},
      {"the first that finds something", {rule("x-none", ""), rule("x-chat", "")}, "c1"},
      {"none", {}, ""},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      CHECK(apply_rules({c.rules, {}}, headers, body).session == c.id);
      CHECK(apply_rules({{}, c.rules}, headers, body).user == c.id);
    }
  }
}

TEST_CASE("identity: where a call has it from", "[unit]") {
  struct Case {
    const char* name;
    const char* path;
    Headers headers;
    const char* body;
    IdentityRules rules;
    const char* session;
    const char* user;
  };
  const char* const chat = R"({"model":"m","messages":[],"user":"u1","prompt_cache_key":"k1"})";
  const char* const anthropic =
      R"({"model":"m","max_tokens":1,"messages":[],"metadata":{"user_id":"user_ab_account__session_5f-6"}})";
  const Case cases[] = {
      {"vendor's fields", "/v1/chat/completions", {}, chat, {}, "k1", "u1"},
      {"metadata of OpenAI",
       "/v1/chat/completions",
       {},
       R"({"model":"m","messages":[],"metadata":{"session_id":"s","user_id":"u"}})",
       {},
       "s",
       "u"},
      {"conversation",
       "/v1/responses",
       {},
       R"({"model":"m","input":"hi","conversation":"conv_1"})",
       {},
       "conv_1",
       ""},
      {"conversation object",
       "/v1/responses",
       {},
       R"({"model":"m","input":"hi","conversation":{"id":"conv_2"}})",
       {},
       "conv_2",
       ""},
      {"Anthropic's metadata",
       "/v1/messages",
       {},
       anthropic,
       {},
       "5f-6",
       "user_ab_account__session_5f-6"},
      {"propagated beats the vendor's fields",
       "/v1/chat/completions",
       {{"x-datadog-tags", "_dd.p.dm=-0,_dd.p.llmobs_sid=dd1"}},
       chat,
       {},
       "dd1",
       "u1"},
      {"propagated by tracestate",
       "/v1/chat/completions",
       {{"tracestate", "dd=s:1;t.llmobs_sid:dd2"}},
       chat,
       {},
       "dd2",
       "u1"},
      {"a rule beats all",
       "/v1/chat/completions",
       {{"x-datadog-tags", "_dd.p.llmobs_sid=dd1"}, {"x-chat", "c1"}},
       chat,
       {{rule("x-chat", "")}, {rule("", "$.model")}},
       "c1",
       "m"},
      {"a rule that finds nothing",
       "/v1/chat/completions",
       {},
       chat,
       {{rule("x-chat", "")}, {}},
       "k1",
       "u1"},
      {"baggage",
       "/v1/chat/completions",
       {{"baggage", "a=b, session.id=s%201;p=1,user.id=ann"}, {"x-session-id", "s2"}},
       R"({"model":"m","messages":[]})",
       {},
       "s 1",
       "ann"},
      {"well-known headers",
       "/v1/messages",
       {{"x-claude-code-session-id", "cc"}, {"helicone-user-id", "h"}},
       R"({"model":"m","max_tokens":1,"messages":[]})",
       {},
       "cc",
       "h"},
      {"a token in a header is no session",
       "/v1/chat/completions",
       {{"x-session-id", "Bearer abcdefghijklmnop"}},
       R"({"model":"m","messages":[]})",
       {},
       "",
       ""},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      Interaction interaction;
      interaction.request = {Protocol::kHttp1, "POST", "api.example.com", c.path, c.headers, false};
      interaction.request_body = c.body;
      interaction.response.status = 200;
      interaction.response_body = "{}";
      testing::FoldBench bench;
      bench.context.identity = c.rules;
      fold_interaction(bench.context, bench.conn, interaction);
      REQUIRE(bench.sink.records.size() == 1);
      CHECK(bench.sink.records.front().session_id == c.session);
      CHECK(bench.sink.records.front().user_id == c.user);
    }
  }
}

}  // namespace
}  // namespace llmtap
