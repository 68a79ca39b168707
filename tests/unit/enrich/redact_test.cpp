// SPDX-License-Identifier: Apache-2.0
#include "userspace/enrich/redact.h"

#include <catch2/catch.hpp>

#include "userspace/enrich/user_patterns.h"
#include "userspace/sinks/record_json.h"

using namespace llmtap;

namespace {

// Assembled, so that scanners of repositories do not find keys that are none.
const std::string kBody = "AbCdEfGhIjKlMnOpQrStUvWx0123456789aB";

std::string redacted(std::string text) {
  redact_text(text, {});
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
      {"elevenlabs", "sk_" + kBody + kBody, "api_key"},
      {"langfuse", "sk-lf-" + kBody, "api_key"},
      {"tavily", "tvly-dev-" + kBody, "tavily_key"},
      {"pinecone", "pcsk_" + kBody, "pinecone_key"},
      {"databricks", "dapi0123456789abcdef0123456789abcdef", "databricks_token"},
      {"nvidia", "nvapi-" + kBody, "nvidia_key"},
      {"together", "tgp_v1_" + kBody, "together_key"},
      {"voyage", "pa-" + kBody, "voyage_key"},
      {"cerebras", "csk-" + kBody, "cerebras_key"},
      {"bedrock", "ABSK" + kBody + kBody + "=", "bedrock_key"},
      {"github", "ghp_" + kBody, "github_token"},
      {"github app", "ghu_" + kBody, "github_token"},
      {"github fine", "github_pat_" + kBody, "github_token"},
      {"gitlab", "glpat-" + kBody, "gitlab_token"},
      {"slack", "xoxb-123456789012-" + kBody, "slack_token"},
      {"slack app", "xapp-1-" + kBody, "slack_token"},
      {"slack rotated", "xoxe.xoxp-1-" + kBody, "slack_token"},
      {"sendgrid", "SG." + kBody + "." + kBody, "sendgrid_key"},
      {"vault", "hvs." + kBody, "vault_token"},
      {"google oauth", "ya29." + kBody, "google_token"},
      {"google service account", "ya29.c.c0" + kBody, "google_token"},
      {"slack browser", "xoxc-123456789012-" + kBody, "slack_token"},
      {"google secret", "GOCSPX-" + kBody, "google_secret"},
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
                                          {"%20", "%20"},
                                          {"\\u0020", " "},
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
      {"Authorization: Basic dXNlcjpodW50ZXIyMg==", "Authorization: Basic [REDACTED:credential]"},
      {"-H 'Authorization: token " + kBody + "'",
       "-H 'Authorization: token [REDACTED:credential]'"},
      {"Cookie: sid=abc123; theme=dark\nHost: x", "Cookie: [REDACTED:cookie]\nHost: x"},
      {"{\"set-cookie\": \"sid=abc123; Path=/; HttpOnly\"}",
       "{\"set-cookie\": \"[REDACTED:cookie]\"}"},
      {"Authorization: AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1, Signature=" + kBody,
       "Authorization: AWS4-HMAC-SHA256 [REDACTED:credential]"},
      {"https://s3/x?X-Amz-Signature=" + kBody + "&a=1",
       "https://s3/x?X-Amz-Signature=[REDACTED:credential]&a=1"},
      {"https://blob/x?sv=2024&sig=" + kBody + "%3D",
       "https://blob/x?sv=2024&sig=[REDACTED:credential]"},
      {"postgres://app:s3cret!@db:5432/x", "postgres://[REDACTED:url_credentials]@db:5432/x"},
      {"git clone https://" + kBody + "@github.com/a/b",
       "git clone https://[REDACTED:url_credentials]@github.com/a/b"},
      {"x-goog-api-key: " + kBody, "x-goog-api-key: [REDACTED:credential]"},
      {"GITHUB_TOKEN=" + kBody, "GITHUB_TOKEN=[REDACTED:credential]"},
      {"DB_PASSWORD='p@ss w'", "DB_PASSWORD='[REDACTED:credential]'"},
      {"DB_PASSWORD='p@ssw0rd!'", "DB_PASSWORD='[REDACTED:credential]'"},
      {"{\"password\": \"correct horse battery\", \"a\": 1}",
       "{\"password\": \"[REDACTED:credential]\", \"a\": 1}"},
      {"{\\\"passphrase\\\": \\\"correct, horse\\\"}",
       "{\\\"passphrase\\\": \\\"[REDACTED:credential]\\\"}"},
      {"password = \"a \\\"b\\\" and c\"; x", "password = \"[REDACTED:credential]\"; x"},
      {"password = \"not closed\nnext", "password = \"not closed\nnext"},
      {"{\"token\": \"" + kBody + "\"}", "{\"token\": \"[REDACTED:credential]\"}"},
      {"client.secret=" + kBody, "client.secret=[REDACTED:credential]"},
      {"AccountKey=" + kBody + "==;Endpoint", "AccountKey=[REDACTED:credential];Endpoint"},
      // What only sounds like it.
      {"https://medium.com/@jane and mailto:x", "https://medium.com/@jane and mailto:x"},
      {"basic understanding of cookies: sugar and flour",
       "basic understanding of cookies: sugar and flour"},
      {"{\"max_tokens\": 4096, \"signature\": \"" + kBody + "\"}",
       "{\"max_tokens\": 4096, \"signature\": \"" + kBody + "\"}"},
      {"{\"token\": \" Hello\", \"logprob\": -0.12}",
       "{\"token\": \" Hello\", \"logprob\": -0.12}"},
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

TEST_CASE("redact: what is a secret is masked to its end", "[unit]") {
  const std::string tail(40'000, '7');
  struct Case {
    std::string text, expected;
  };
  const Case cases[] = {
      {"sk-" + kBody + tail + " x", "[REDACTED:api_key] x"},
      {"eyJ" + kBody + ".eyJ" + tail + "." + tail + " x", "[REDACTED:jwt] x"},
      {"Bearer " + kBody + tail + " x", "Bearer [REDACTED:bearer_token] x"},
      {"Cookie: a=" + tail + "\nx", "Cookie: [REDACTED:cookie]\nx"},
  };
  for (const auto& c : cases) CHECK(redacted(c.text) == c.expected);
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

TEST_CASE("redact: JSON stays JSON", "[unit]") {
  UserPatterns patterns;
  REQUIRE(patterns.add("employee", R"(EMP-\d{6}|"n": \d+)").ok());
  struct Case {
    std::string text, expected;
  };
  const Case cases[] = {
      {R"({"card":4111111111111111,"s":"4111111111111111"})",
       R"({"card":"[REDACTED:card]","s":"[REDACTED:card]"})"},
      {R"(["a\"b", 4111111111111111])", R"(["a\"b", "[REDACTED:card]"])"},
      {R"({"id":"EMP-123456"})", R"({"id":"[REDACTED:employee]"})"},
      {R"({"n": 12})", R"("[REDACTED:pattern]")"},
      {"not JSON 4111111111111111", "not JSON [REDACTED:card]"},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.text) {
      std::string text = c.text;
      redact_text(text, {.personal = true, .patterns = &patterns}, TextKind::kJson);
      CHECK(text == c.expected);
    }
  }
}

TEST_CASE("redact: long hostile texts take linear time", "[unit]") {
  for (const std::string piece : {"sk-", "eyJ", "-----BEGIN ", "bearer ", "api_key: ", "a@", "+1",
                                  "AAAA", "://a", "cookie: ", "basic Zm9v", "12 34 ", "AB12 "}) {
    std::string text;
    while (text.size() < 400'000) text += piece;
    redact_text(text, {.personal = true});
    CHECK(text.size() > 0);
  }
}
