// SPDX-License-Identifier: Apache-2.0
#include "userspace/enrich/redact.h"

#include <catch2/catch.hpp>

#include "userspace/sinks/record_json.h"

using namespace llmtap;

namespace {

// Assembled, so that scanners of repositories do not find keys that are none.
const std::string kBody = "AbCdEfGhIjKlMnOpQrStUvWx0123456789aB";

std::string redacted(std::string text, bool personal = false) {
  redact_text(text, {.personal = personal});
  return text;
}

}  // namespace

TEST_CASE("redact: secrets", "[unit]") {
  struct Case {
    const char* name;
    std::string secret;
    std::string kind;
  };
  const Case cases[] = {
      {"openai", "sk-" + kBody, "api_key"},
      {"openai project", "sk-proj-" + kBody + "_-" + kBody, "api_key"},
      {"anthropic", "sk-ant-api03-" + kBody, "anthropic_key"},
      {"openrouter", "sk-or-v1-" + kBody, "openrouter_key"},
      {"google", "AIza" + kBody, "google_key"},
      {"groq", "gsk_" + kBody, "groq_key"},
      {"xai", "xai-" + kBody, "xai_key"},
      {"perplexity", "pplx-" + kBody, "perplexity_key"},
      {"huggingface", "hf_" + kBody, "huggingface_token"},
      {"replicate", "r8_" + kBody, "replicate_token"},
      {"github", "ghp_" + kBody, "github_token"},
      {"aws id", std::string("AKIA") + "ABCDEFGHIJ234567", "aws_key_id"},
      {"jwt", "eyJ" + kBody + ".eyJ" + kBody + "." + kBody, "jwt"},
      {"pem", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc=\n-----END RSA PRIVATE KEY-----",
       "private_key"},
      {"pem in JSON", "-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----",
       "private_key"},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      const std::string mask = "[REDACTED:" + c.kind + "]";
      for (const auto& [before, after] : {std::pair<std::string, std::string>{"", ""},
                                          {"key ", " end"},
                                          {"\"", "\""},
                                          {"\\n", "\\n"},
                                          {"=", "&x=1"}}) {
        CHECK(redacted(before + c.secret + after) == before + mask + after);
      }
    }
  }
}

TEST_CASE("redact: named fields keep their name", "[unit]") {
  struct Case {
    std::string text, expected;
  };
  const Case cases[] = {
      {"Authorization: Bearer " + kBody, "Authorization: Bearer [REDACTED:bearer_token]"},
      {"{\"api_key\": \"" + kBody + "\"}", "{\"api_key\": \"[REDACTED:credential]\"}"},
      {"{\\\"x-api-key\\\":\\\"" + kBody + "\\\"}",
       "{\\\"x-api-key\\\":\\\"[REDACTED:credential]\\\"}"},
      {"AZURE_OPENAI_API_KEY=" + kBody, "AZURE_OPENAI_API_KEY=[REDACTED:credential]"},
      {"aws_secret_access_key = " + kBody, "aws_secret_access_key = [REDACTED:credential]"},
      {"/v1/models?key=" + kBody + "&a=b", "/v1/models?key=[REDACTED:credential]&a=b"},
      {"password: hunter22", "password: [REDACTED:credential]"},
      // What only sounds like it.
      {"the bearer of good news arrived", "the bearer of good news arrived"},
      {"set your api_key: YOURKEYGOESHERE", "set your api_key: YOURKEYGOESHERE"},
      {"sk-learn is a nice-library-for-everybody", "sk-learn is a nice-library-for-everybody"},
      {"task-force-2024-report-of-the-year", "task-force-2024-report-of-the-year"},
      {"-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----"},
      {"eyJ", "eyJ"},
      {"", ""},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.text) {
      CHECK(redacted(c.text) == c.expected);
      CHECK(redacted(redacted(c.text)) == c.expected);  // again changes nothing
    }
  }
}

TEST_CASE("redact: personal data on request only", "[unit]") {
  struct Case {
    std::string text, expected;
  };
  const Case cases[] = {
      {"mail jane.doe+x@example.co.jp now", "mail [REDACTED:email] now"},
      {"call +49 (30) 1234 5678!", "call [REDACTED:phone]!"},
      {"card 4111 1111 1111 1111.", "card [REDACTED:card]."},
      {"card 4111111111111112", "card 4111111111111112"},
      {"IBAN DE89370400440532013000", "IBAN [REDACTED:iban]"},
      {"IBAN DE89370400440532013001", "IBAN DE89370400440532013001"},
      {"a@b and 1+1=2 and @home", "a@b and 1+1=2 and @home"},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.text) {
      CHECK(redacted(c.text) == c.text);
      CHECK(redacted(c.text, true) == c.expected);
    }
  }
}

TEST_CASE("redact: a canary in every text of a record", "[unit]") {
  const std::string canary = "sk-" + kBody;
  CallRecord call;
  const Part part{PartKind::kOther,
                  "x",
                  canary,
                  "",
                  "",
                  "{\"k\":\"" + canary + "\"}",
                  "",
                  {},
                  canary,
                  "{\"raw\":\"" + canary + "\"}"};
  call.input = {{"user", {part}, {}, ""}};
  call.output = {{"assistant", {part}, {}, ""}};
  call.tools = {{"t", canary, "{\"d\":\"" + canary + "\"}", "function", false}};
  call.params = {{"metadata", "{\"k\":\"" + canary + "\"}"}};
  call.vendor = {{"prompt", "\"" + canary + "\""}};
  call.documents = {canary};
  call.error = CallError{"invalid_request_error", "", "bad key " + canary,
                         "{\"m\":\"" + canary + "\"}", false};
  call.path = "/v1/x?key=" + canary;
  call.session_id = canary;
  call.user_id = canary;
  call.request_headers = {{"x-custom", canary}};
  call.response_headers = {{"x-echo", canary}};
  call.process.command_line = {"app", "--token=" + canary};
  call.process.environment = {{"DD_TAGS", "k:" + canary}};
  CHECK(redact(call, {}) >= 20);
  const auto text = record_json(call, {.content = true, .headers = true}).dump();
  CHECK(text.find(kBody) == std::string::npos);
  // JSON stayed JSON.
  CHECK(nlohmann::json::parse(call.params[0].json, nullptr, false).is_object());

  drop_content(call);
  CHECK(call.input[0].parts[0].text.empty());
  CHECK(call.input[0].role == "user");
}

TEST_CASE("redact: long hostile texts take linear time", "[unit]") {
  for (const std::string piece :
       {"sk-", "eyJ", "-----BEGIN ", "bearer ", "api_key: ", "a@", "+1", "AAAA"}) {
    std::string text;
    while (text.size() < 400'000) text += piece;
    redact_text(text, {.personal = true});
    CHECK(text.size() > 0);
  }
}
