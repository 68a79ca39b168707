// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/support/http_receiver.h"
#include "userspace/sinks/eval_writer.h"
#include "userspace/sinks/llmobs/llmobs_encode.h"

using namespace llmtap;
using namespace llmtap::test;
using Json = nlohmann::json;

namespace {

EvalMetric metric_of() {
  EvalMetric metric;
  metric.span_id = "7294817263549182734";
  metric.trace_id = "68b0c1d2000000005a1f3c9e77aa0b11";
  metric.label = "toxicity";
  metric.value = std::string("low");
  metric.ml_app = "shop";
  metric.timestamp_ms = 1'756'400'000'000;
  return metric;
}

CallRecord call_of(const std::string& finish) {
  CallRecord call;
  call.id = "id-1";
  call.provider = "openai";
  call.dialect = "openai_chat";
  call.timing.request_start = 1'764'000'000'000'000'000;
  call.timing.end = call.timing.request_start + 2'000'000'000;
  call.http_status = 200;
  call.finish_reason = finish;
  call.process.service = "shop";
  return call;
}

}  // namespace

TEST_CASE("evaluation: the metric as the intake reads it", "[unit]") {
  auto metric = metric_of();
  metric.assessment = "pass";
  metric.reasoning = "fine";
  metric.tags = {"a:b"};
  CHECK(Json::parse(*eval_metric_json(metric)) == Json::parse(R"({
    "event_kind": "evaluation", "label": "toxicity", "ml_app": "shop", "eval_scope": "span",
    "join_on": {"span": {"span_id": "7294817263549182734",
                         "trace_id": "68b0c1d2000000005a1f3c9e77aa0b11"}},
    "metric_type": "categorical", "categorical_value": "low", "timestamp_ms": 1756400000000,
    "tags": ["a:b"], "assessment": "pass", "reasoning": "fine"})"));
  metric.value = 0.5;
  CHECK(Json::parse(*eval_metric_json(metric))["score_value"] == 0.5);
  metric.value = true;
  CHECK(Json::parse(*eval_metric_json(metric))["boolean_value"] == true);
  metric.value = EvalMetric::Json{R"({"a":1})"};
  CHECK(Json::parse(*eval_metric_json(metric))["json_value"]["a"] == 1);
  metric.span_id.clear();
  metric.trace_id.clear();
  metric.tag_key = "request_id";
  metric.tag_value = "req_1";
  CHECK(Json::parse(*eval_metric_json(metric))["join_on"] ==
        Json::parse(R"({"tag": {"key": "request_id", "value": "req_1"}})"));
}

TEST_CASE("evaluation: what the intake would refuse", "[unit]") {
  struct Case {
    const char* name;
    void (*spoil)(EvalMetric&);
  };
  const Case cases[] = {
      {"no label", [](EvalMetric& m) { m.label.clear(); }},
      {"dots", [](EvalMetric& m) { m.label = "a.b"; }},
      {"no app", [](EvalMetric& m) { m.ml_app.clear(); }},
      {"no join", [](EvalMetric& m) { m.span_id.clear(), m.trace_id.clear(); }},
      {"span without trace", [](EvalMetric& m) { m.trace_id.clear(); }},
      {"both joins", [](EvalMetric& m) { m.tag_key = "k"; }},
      {"hex span", [](EvalMetric& m) { m.span_id = "ab"; }},
      {"not finite", [](EvalMetric& m) { m.value = 1.0 / 0.0; }},
      {"no object", [](EvalMetric& m) { m.value = EvalMetric::Json{"[1]"}; }},
      {"assessment", [](EvalMetric& m) { m.assessment = "good"; }},
      {"time", [](EvalMetric& m) { m.timestamp_ms = -1; }},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      auto metric = metric_of();
      c.spoil(metric);
      CHECK_FALSE(eval_metric_json(metric).ok());
    }
  }
}

TEST_CASE("evaluation: rules over a call", "[unit]") {
  const std::vector<EvalRule> rules = {
      {"refused", *parse_filter("finish:content_filter"), {}, "", "fail"},
      {"slow", *parse_filter("duration:>1s"), *parse_filter("service:shop"), "", ""},
      {"elsewhere", *parse_filter("duration:>1s"), *parse_filter("service:bank"), "", ""},
      {"class", *parse_filter("provider:openai"), {}, "big", ""},
      {"points", *parse_filter("provider:openai"), {}, "0.5", ""},
      {"never", *parse_filter("provider:mistral"), {}, "x", ""},
  };
  const auto metrics = evaluate(rules, call_of("stop"));
  REQUIRE(metrics.size() == 4);
  CHECK(std::get<bool>(metrics[0].value) == false);
  CHECK(metrics[0].assessment.empty());
  CHECK(std::get<bool>(metrics[1].value) == true);
  CHECK(std::get<std::string>(metrics[2].value) == "big");
  CHECK(std::get<double>(metrics[3].value) == 0.5);
  CHECK(evaluate(rules, call_of("content_filter"))[0].assessment == "fail");
  // Joined to the span that the exporter sends for the same call.
  const auto event = llmobs::encode_event(call_of("stop"), {});
  CHECK(metrics[0].span_id == event["span_id"]);
  CHECK(metrics[0].trace_id == event["trace_id"]);
  CHECK(metrics[0].ml_app == "shop");
  auto listing = call_of("stop");
  listing.operation = Operation::kManagement;
  CHECK(evaluate(rules, listing).empty());
}

TEST_CASE("evaluation: through the Agent and straight", "[unit]") {
  for (const bool agentless : {false, true}) {
    CAPTURE(agentless);
    int refusals = 1;
    HttpReceiver receiver([&](const Received& request) {
      Reply reply;
      if (request.path == "/info")
        reply = {200, "", R"({"endpoints": ["/evp_proxy/v2/"]})", {}};
      else if (refusals-- > 0)
        reply.status = 503;  // sent again
      return reply;
    });
    LlmobsTarget target;
    target.agentless = agentless ? std::optional<bool>(true) : std::nullopt;
    target.agent_url = receiver.url();
    target.api_key = "key";
    if (agentless) target.override_origin = receiver.url();
    DeliveryOptions options;
    options.first_backoff = std::chrono::milliseconds{10};
    EvalWriter writer({{"ok", *parse_filter("status:ok"), {}, "", ""}}, target,
                      std::move(*Spool::open("", 1 << 20)), options);
    const SharedCall calls[] = {std::make_shared<CallRecord>(call_of("stop")),
                                std::make_shared<CallRecord>(call_of("stop"))};
    writer.write(calls);
    writer.flush(std::chrono::seconds{5});
    const std::string path =
        std::string(agentless ? "" : "/evp_proxy/v2") + "/api/intake/llm-obs/v2/eval-metric";
    CHECK(receiver.wait([&](const auto& all) { return !all.empty() && all.back().path == path; }));
    const auto last = receiver.requests().back();
    const auto body = Json::parse(last.body);
    CHECK(body["data"]["type"] == "evaluation_metric");
    CHECK(body["data"]["attributes"]["metrics"].size() == 2);
    CHECK((last.headers.find("X-Datadog-EVP-Subdomain: api\r\n") != std::string::npos) !=
          agentless);
    CHECK((last.headers.find("DD-API-KEY: key") != std::string::npos) == agentless);
  }
}
