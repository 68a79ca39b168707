// SPDX-License-Identifier: Apache-2.0
#include "parsers/assembly/vendor_headers.h"

#include <catch2/catch.hpp>

#include "parsers/assembly/provider_names.h"
#include "parsers/assembly/secrets.h"

using namespace llmtap;

namespace {

constexpr TimeNs kNow = 1'700'000'000'000'000'000;  // 2023-11-14T22:13:20Z

}  // namespace

TEST_CASE("vendor headers: durations and times", "[unit]") {
  struct Case {
    const char* text;
    std::optional<double> expected;
  };
  const Case durations[] = {{"2ms", 0.002}, {"17.4s", 17.4},     {"1m3s", 63},        {"6h0m0s", 21600},
                            {"7", 7},       {"0.5", 0.5},        {"1d2h", 93600},     {"", {}},
                            {"x", {}},      {"1", 1},            {"1m3", {}},         {"-1", {}},
                            {"250us", 2.5e-4}};
  for (const auto& c : durations) {
    CAPTURE(c.text);
    const auto value = parse_duration(c.text);
    REQUIRE(value.has_value() == c.expected.has_value());
    if (value) CHECK(*value == Approx(*c.expected));
  }
  const Case times[] = {{"2023-11-14T22:13:20Z", 1.7e9},
                        {"2023-11-14T22:13:20.500Z", 1.7e9 + 0.5},
                        {"2023-11-15T00:13:20+02:00", 1.7e9},
                        {"2023-11-14T20:43:20-01:30", 1.7e9},
                        {"Tue, 14 Nov 2023 22:13:20 GMT", 1.7e9},
                        {"1970-01-01T00:00:00Z", 0},
                        {"2000-02-29T00:00:00Z", 951782400},
                        {"soon", {}},
                        {"2023-11-14T22:13", {}}};
  for (const auto& c : times) {
    CAPTURE(c.text);
    const auto value = parse_time(c.text);
    REQUIRE(value.has_value() == c.expected.has_value());
    if (value) CHECK(*value == Approx(*c.expected).epsilon(1e-12));
  }
}

TEST_CASE("vendor headers: rate limits of every family in one form", "[unit]") {
  struct Case {
    const char* name;
    Headers headers;
    std::vector<RateLimit> expected;
  };
  const Case cases[] = {
      {"openai",
       {{"x-ratelimit-limit-requests", "10000"},
        {"x-ratelimit-remaining-requests", "9999"},
        {"x-ratelimit-reset-requests", "8ms"},
        {"x-ratelimit-limit-tokens", "200000"},
        {"x-ratelimit-remaining-tokens", "199000"},
        {"x-ratelimit-reset-tokens", "1m30s"},
        {"x-ratelimit-reset-tokens_usage_based", "1s"}},
       {{"requests", 10000, 9999, 0.008},
        {"tokens", 200000, 199000, 90},
        {"tokens_usage_based", {}, {}, 1}}},
      {"azure",
       {{"x-ratelimit-limit-tokens", "1000"},
        {"x-ratelimit-reset-tokens", "7"},
        {"x-ratelimit-renewalperiod-tokens", "60"}},
       {{"tokens", 1000, {}, 7}}},
      {"anthropic",
       {{"anthropic-ratelimit-input-tokens-limit", "400000"},
        {"anthropic-ratelimit-input-tokens-remaining", "399000"},
        {"anthropic-ratelimit-input-tokens-reset", "2023-11-14T22:14:20Z"},
        {"anthropic-ratelimit-requests-reset", "2023-11-14T22:13:00Z"},
        {"anthropic-ratelimit-unified-status", "allowed"}},
       {{"input_tokens", 400000, 399000, 60}, {"requests", {}, {}, 0}}},
      {"mistral",
       {{"x-ratelimit-limit-tokens-minute", "500"},
        {"x-ratelimit-remaining-tokens-minute", "400"},
        {"x-ratelimit-tokens-query-cost", "12"}},
       {{"tokens_minute", 500, 400, {}}}},
      {"together",
       {{"x-ratelimit-limit", "10"}, {"x-ratelimit-remaining", "9"}, {"x-ratelimit-reset", "1"}},
       {{"requests", 10, 9, 1}}},
      {"fireworks", {{"x-ratelimit-limit-tokens-prompt", "60000"}}, {{"tokens_prompt", 60000, {}, {}}}},
      {"cohere",
       {{"x-trial-endpoint-call-limit", "40"},
        {"x-trial-endpoint-call-remaining", "39"},
        {"x-endpoint-monthly-call-limit", "1000"}},
       {{"trial_calls", 40, 39, {}}, {"monthly_calls", 1000, {}, {}}}},
      {"hugging face",
       {{"ratelimit", "\"api\";r=499;t=210"},
        {"ratelimit-policy", "\"fixed window\";\"api\";q=500;w=300"}},
       {{"api", 500, 499, 210}}},
      {"replicate", {{"ratelimit-remaining", "2999"}, {"ratelimit-reset", "1"}}, {{"requests", {}, 2999, 1}}},
      {"litellm",
       {{"x-ratelimit-remaining-requests", "5"}, {"llm_provider-x-ratelimit-remaining-requests", "6"}},
       {{"requests", {}, 5, {}}, {"llm_provider_requests", {}, 6, {}}}},
      {"groq",
       {{"x-ratelimit-limit-requests", "14400"},
        {"x-ratelimit-remaining-tokens", "17997"},
        {"x-ratelimit-reset-requests", "2m59.56s"},
        {"x-ratelimit-reset-tokens", "7.66s"}},
       {{"requests", 14400, {}, 179.56}, {"tokens", {}, 17997, 7.66}}},
      {"cerebras",
       {{"x-ratelimit-limit-requests-day", "14400"},
        {"x-ratelimit-remaining-tokens-minute", "59000"},
        {"x-ratelimit-reset-tokens-minute", "11.382"}},
       {{"requests_day", 14400, {}, {}}, {"tokens_minute", {}, 59000, 11.382}}},
      {"openrouter, milliseconds since 1970",
       {{"x-ratelimit-limit", "20"},
        {"x-ratelimit-remaining", "0"},
        {"x-ratelimit-reset", "1700000060000"}},
       {{"requests", 20, 0, 60}}},
      {"github models",
       {{"x-ratelimit-limit-requests", "20"}, {"x-ratelimit-renewalperiod-requests", "60"}},
       {{"requests", 20, {}, {}}}},
      {"unix times", {{"x-ratelimit-reset", "1700000030"}, {"x-ratelimit-reset-a", "1700000040000"}},
       {{"requests", {}, {}, 30}, {"a", {}, {}, 40}}},
      {"nonsense", {{"x-ratelimit-limit-requests", "many"}, {"x-ratelimit-limited", "1"}}, {}},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      const auto limits = read_rate_limits(c.headers, kNow);
      REQUIRE(limits.size() == c.expected.size());
      for (std::size_t i = 0; i < limits.size(); ++i) {
        CHECK(limits[i].name == c.expected[i].name);
        CHECK(limits[i].limit == c.expected[i].limit);
        CHECK(limits[i].remaining == c.expected[i].remaining);
        REQUIRE(limits[i].reset_s.has_value() == c.expected[i].reset_s.has_value());
        if (limits[i].reset_s) CHECK(*limits[i].reset_s == Approx(*c.expected[i].reset_s));
      }
    }
  }
  Headers many;
  for (int i = 0; i < 1000; ++i) many.add("x-ratelimit-limit-" + std::to_string(i), "1");
  CHECK(read_rate_limits(many, kNow).size() == 32);
}

TEST_CASE("vendor headers: retry-after", "[unit]") {
  CHECK(read_reported_cost({{"x-litellm-response-cost", "3.9e-06"}})->total_usd == 3.9e-6);
  CHECK(read_reported_cost({{"x-litellm-response-cost", "0.0025"}})->total_usd == 0.0025);
  for (const auto* none : {"0.0", "None", "", "-1", "inf x"}) {
    CHECK_FALSE(read_reported_cost({{"x-litellm-response-cost", none}}));
  }
  CHECK(read_retry_after({{"retry-after", "20"}}, kNow) == 20.0);
  CHECK(read_retry_after({{"retry-after", "20"}, {"retry-after-ms", "1500"}}, kNow) == 1.5);
  CHECK(read_retry_after({{"retry-after", "Tue, 14 Nov 2023 22:13:30 GMT"}}, kNow) == 10.0);
  CHECK_FALSE(read_retry_after({}, kNow));
}

TEST_CASE("vendor headers: the calling library", "[unit]") {
  struct Case {
    const char* name;
    Headers headers;
    Sdk expected;
  };
  const Case cases[] = {
      {"openai python",
       {{"user-agent", "AsyncOpenAI/Python 1.99.1"},
        {"x-stainless-lang", "python"},
        {"x-stainless-package-version", "1.99.1"},
        {"x-stainless-retry-count", "2"}},
       {"openai", "1.99.1", "python", 2}},
      {"anthropic js", {{"user-agent", "Anthropic/JS 0.60.0"}}, {"anthropic", "0.60.0", "js", {}}},
      {"claude code",
       {{"user-agent", "claude-cli/2.0.1 (external, cli)"},
        {"x-stainless-lang", "js"},
        {"x-stainless-package-version", "0.60.0"}},
       {"claude-cli", "2.0.1", "js", {}}},
      {"boto3",
       {{"user-agent", "Boto3/1.34.1 md/Botocore#1.34.1 ua/2.0 os/linux lang/python#3.11.4 cfg/x"}},
       {"boto3", "1.34.1", "python", {}}},
      {"aws js in a browser",
       {{"user-agent", "Mozilla/5.0 (X11)"}, {"x-amz-user-agent", "aws-sdk-js/3.600.0 lang/js"}},
       {"aws-sdk-js", "3.600.0", "js", {}}},
      {"google genai",
       {{"user-agent", "google-genai-sdk/1.2.0 gl-python/3.12.1"},
        {"x-goog-api-client", "google-genai-sdk/1.2.0 gl-python/3.12.1"}},
       {"google-genai-sdk", "1.2.0", "python", {}}},
      {"google, header only", {{"x-goog-api-client", "gl-node/22.1 genai-js/0.2"}}, {"genai-js", "0.2", "js", {}}},
      {"curl", {{"user-agent", "curl/7.88.1"}}, {"curl", "7.88.1", "", {}}},
      {"nothing", {}, {}},
      {"odd", {{"user-agent", "/"}, {"x-stainless-retry-count", "x1"}}, {}},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      const Sdk sdk = read_sdk(c.headers);
      CHECK(sdk.name == c.expected.name);
      CHECK(sdk.version == c.expected.version);
      CHECK(sdk.language == c.expected.language);
      CHECK(sdk.retry_count == c.expected.retry_count);
    }
  }
}

TEST_CASE("secrets: headers, values and query parameters", "[unit]") {
  const Headers dropped = {{"authorization", "x"},
                           {"proxy-authorization", "x"},
                           {"cookie", "x"},
                           {"set-cookie", "x"},
                           {"x-api-key", "x"},
                           {"api-key", "x"},
                           {"openai-api-key", "x"},
                           {"x-goog-api-key", "x"},
                           {"x-amz-security-token", "x"},
                           {"x-auth-token", "x"},
                           {"ocp-apim-subscription-key", "x"},
                           {"helicone-auth", "Bearer sk-helicone-0123456789abcdef"},
                           {"x-custom", "Bearer abc"},
                           {"x-odd", "key=sk-proj-0123456789abcdefghij"},
                           {"sec-websocket-protocol", "realtime, openai-insecure-api-key.sk-x"},
                           {"x-jwt", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0In0.abc"}};
  for (const auto& header : dropped) {
    CAPTURE(header.name);
    CHECK(kept_headers({header}).empty());
  }
  const Headers kept = {{"num_tokens", "1"},
                        {"x-amzn-bedrock-input-token-count", "12"},
                        {"x-request-id", "req_011CQ0123456789abcdefghij"},
                        {"openai-organization", "user-abc"},
                        {"content-type", "application/json"},
                        {"user-agent", "sk-tool/1"}};
  CHECK(kept_headers(kept) == kept);

  CHECK(kept_headers({{"date", "x"}, {"x-stainless-lang", "x"}, {"access-control-allow-origin", "*"}}).empty());
  Headers thousand;
  for (int i = 0; i < 1000; ++i) thousand.add("x-a", "1");
  CHECK(kept_headers(thousand).size() == kMaxHeaders);
  CHECK(kept_headers({{"x-a", std::string(5000, 'a')}}).empty());

  struct Case {
    const char* path;
    const char* expected;
  };
  const Case cases[] = {
      {"/v1/x", "/v1/x"},
      {"/v1/x?alt=sse&key=AIza", "/v1/x?alt=sse&key=***"},
      {"/?api_key=a&b=c", "/?api_key=***&b=c"},
      {"/?api-version=2024-02-01&model=gpt", "/?api-version=2024-02-01&model=gpt"},
      {"/?KEY=a&access_token=b&X-Amz-Signature=c&sig=d", "/?KEY=***&access_token=***&X-Amz-Signature=***&sig=***"},
      {"/?x=sk-proj-0123456789abcdefghij&&y", "/?x=***&&y"},
      {"/?key", "/?key"},
      {"/?a=1&", "/?a=1&"}};
  for (const auto& c : cases) {
    CAPTURE(c.path);
    CHECK(mask_query(c.path) == c.expected);
  }
}

TEST_CASE("provider names: hosts, patterns, ports", "[unit]") {
  ProviderNames names;
  CHECK(names.label("api.openai.com", {}) == "openai");
  CHECK(names.label("notapi.openai.com.evil.org", {}) == "");
  CHECK(names.label("xapi.openai.com", {}) == "");
  CHECK(names.label("res.openai.azure.com", 443) == "azure_openai");
  CHECK(names.label("bedrock-runtime.us-east-1.amazonaws.com", {}) == "bedrock");
  CHECK(names.label("us-central1-aiplatform.googleapis.com", {}) == "vertex_ai");
  CHECK(names.label("aiplatform.googleapis.com", {}) == "vertex_ai");
  CHECK(names.label("localhost", 11434) == "ollama");
  CHECK(names.label("localhost", 8000) == "");
  CHECK(names.label("", {}) == "");
  names.add({"gateway.corp.example", "corp"});
  names.add({"api.openai.com", "mine"});
  CHECK(names.label("eu.gateway.corp.example", {}) == "corp");
  CHECK(names.label("api.openai.com", {}) == "mine");
}
