// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <limits>

#include "userspace/sinks/metrics/call_metrics.h"
#include "userspace/sinks/metrics/exposition.h"
#include "userspace/sinks/metrics/label_sets.h"

using namespace llmtap;

namespace {

constexpr TimeNs kSecond = 1'000'000'000;

CallRecord streamed_call() {
  CallRecord call;
  call.provider = "openai";
  call.model_served = "gpt-4o";
  call.process.service = "shop";
  call.http_status = 200;
  call.streamed = true;
  call.timing.request_start = 1000 * kSecond;
  call.timing.first_token = 1000 * kSecond + kSecond / 2;
  call.timing.last_token = 1002 * kSecond + kSecond / 2;
  call.timing.end = 1003 * kSecond;
  call.usage.input_uncached = 10;
  call.usage.cache_read = 5;
  call.usage.output_visible = 21;
  call.cost = Cost{{}, {}, 0.25, Cost::Source::kTable};
  call.rate_limits = {{"requests", 100.0, 99.0, 0.6}, {"tokens", 1000.0, {}, {}}};
  return call;
}

std::string page(const CallMetrics& metrics) {
  Exposition out;
  metrics.write(out);
  return out.text();
}

bool has(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("metrics: text format", "[unit]") {
  constexpr double kEdges[] = {0.5, 1};
  Histogram histogram(kEdges);
  for (const double value : {0.5, 0.6, 7.25}) histogram.observe(value);
  Exposition out;
  out.family("a_seconds", "histogram", "Line\nand \\.");
  out.histogram({{"x", "q\"\\\n"}}, histogram);
  out.gauge("b", "B.", 0.1);
  out.counter("c_total", "C.", 1e15);
  CHECK(out.text() ==
        "# HELP a_seconds Line\\nand \\\\.\n# TYPE a_seconds histogram\n"
        "a_seconds_bucket{x=\"q\\\"\\\\\\n\",le=\"0.5\"} 1\n"
        "a_seconds_bucket{x=\"q\\\"\\\\\\n\",le=\"1\"} 2\n"
        "a_seconds_bucket{x=\"q\\\"\\\\\\n\",le=\"+Inf\"} 3\n"
        "a_seconds_sum{x=\"q\\\"\\\\\\n\"} 8.35\n"
        "a_seconds_count{x=\"q\\\"\\\\\\n\"} 3\n"
        "# HELP b B.\n# TYPE b gauge\nb 0.1\n"
        "# HELP c_total C.\n# TYPE c_total counter\nc_total 1000000000000000\n");
}

TEST_CASE("metrics: a call in every family", "[unit]") {
  CallMetrics metrics(100);
  metrics.add(streamed_call());
  auto failed = streamed_call();
  failed.http_status = 429;
  failed.error = CallError{};
  failed.cost.reset();
  failed.usage = {};
  failed.rate_limits.clear();
  failed.sdk.retry_count = 1;
  failed.partial = true;
  metrics.add(failed);
  const auto text = page(metrics);
  INFO(text);
  const std::string who = "provider=\"openai\",model=\"gpt-4o\",service=\"shop\"";
  CHECK(has(text, "llmtap_calls_total{" + who + ",status=\"ok\"} 1"));
  CHECK(has(text, "llmtap_calls_total{" + who + ",status=\"error\"} 1"));
  CHECK(has(text,
            "llmtap_call_errors_total{" + who + ",class=\"rate_limit\",http_status=\"429\"} 1"));
  CHECK(has(text, "llmtap_call_duration_seconds_bucket{" + who + ",status=\"ok\",le=\"2.5\"} 0"));
  CHECK(has(text, "llmtap_call_duration_seconds_bucket{" + who + ",status=\"ok\",le=\"5\"} 1"));
  CHECK(has(text, "llmtap_call_duration_seconds_sum{" + who + ",status=\"ok\"} 3"));
  CHECK(has(text, "llmtap_call_time_to_first_token_seconds_sum{" + who + ",status=\"ok\"} 0.5"));
  CHECK(has(text, "llmtap_call_output_token_gap_seconds_sum{" + who + "} 0.1"));
  CHECK(has(text, "llmtap_tokens_total{" + who + ",class=\"cache_read\",source=\"provider\"} 5"));
  CHECK(has(text,
            "llmtap_tokens_total{" + who + ",class=\"input_uncached\",source=\"provider\"} 10"));
  CHECK(has(text, "llmtap_cost_usd_total{" + who + ",source=\"table\"} 0.25"));
  CHECK(has(text, "llmtap_call_retries_total{" + who + "} 1"));
  CHECK(has(text, "llmtap_calls_partial_total{" + who + "} 1"));
  CHECK(has(text, "llmtap_rate_limit{" + who + ",limit=\"tokens\"} 1000"));
  CHECK(has(text, "llmtap_rate_limit_remaining{" + who + ",limit=\"requests\"} 99"));
  CHECK(text.find("llmtap_rate_limit_remaining{" + who + ",limit=\"tokens\"}") ==
        std::string::npos);  // absent is absent
  CHECK(text.find("reasoning") == std::string::npos);
}

TEST_CASE("metrics: label values are bounded, and what is not shown is counted", "[unit]") {
  LabelSets sets(100'000);
  for (std::size_t i = 0; i < LabelSets::kModels + 50; ++i)
    sets.admit({"openai", "m" + std::to_string(i), "shop"});
  CHECK(sets.overflows(LabelSets::Limit::kModel) == 50);
  CHECK(sets.admit({"openai", "new", "shop"}) == LabelSet{"openai", "other", "shop"});
  CHECK(sets.admit({"openai", "m0", "shop"}) == LabelSet{"openai", "m0", "shop"});

  LabelSets few(3);
  for (const char* model : {"a", "b", "c", "d", "e"}) few.admit({"openai", model, "shop"});
  CHECK(few.overflows(LabelSets::Limit::kSet) == 2);
  CHECK(few.admit({"openai", "e", "shop"}) == LabelSet{"openai", "other", "other"});
  CHECK(few.admit({"anthropic", "a", "shop"}) == LabelSet{"anthropic", "other", "other"});

  CallMetrics metrics(50);
  auto call = streamed_call();
  for (int i = 0; i < 5000; ++i) {
    call.model_served = "m" + std::to_string(i);
    call.process.service = "s" + std::to_string(i % 700);
    metrics.add(call);
  }
  const auto text = page(metrics);
  CHECK(text.size() < 400'000);
  CHECK(has(text, "llmtap_metrics_overflow_total{label=\"provider\"} 0"));
  CHECK(text.find("llmtap_calls_total{provider=\"openai\",model=\"other\"") != std::string::npos);
}

// Names of limits come from header names and from events, costs from bodies.
TEST_CASE("metrics: what providers say of limits and costs spoils no scrape", "[unit]") {
  CallMetrics metrics(10);
  auto call = streamed_call();
  call.rate_limits = {{"bad\xff\n", 1.0, {}, {}}, {std::string(1000, 'n'), 1.0, {}, {}}};
  metrics.add(call);
  for (const double cost :
       {-5.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    call.cost->total_usd = cost;
    metrics.add(call);
  }
  const auto text = page(metrics);
  CHECK(text.find("limit=\"bad??\"") != std::string::npos);
  CHECK(text.find('\xff') == std::string::npos);
  CHECK(text.find(std::string(kLabelBytes + 1, 'n')) == std::string::npos);
  CHECK(text.find("llmtap_cost_usd_total{provider=\"openai\",model=\"gpt-4o\",service=\"shop\","
                  "source=\"table\"} 0.25\n") != std::string::npos);
}

TEST_CASE("metrics: labels are valid UTF-8 whatever the wire says", "[unit]") {
  struct Case {
    const char* name;
    std::string model, expected;
  };
  const Case cases[] = {{"plain", "gpt-4o", "gpt-4o"},
                        {"two bytes", "é", "é"},
                        {"four bytes", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
                        {"a lone byte", "a\xff", "a?"},
                        {"cut", "a\xe2\x82", "a??"},
                        {"overlong", "\xc0\xaf", "??"},
                        {"surrogate", "\xed\xa0\x80", "???"},
                        {"control", "a\nb", "a?b"},
                        {"long", std::string(500, 'x'), std::string(kLabelBytes, 'x')}};
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      LabelSets sets(10);
      CHECK(sets.admit({"p", c.model, "s"}).model == c.expected);
    }
  }
}
