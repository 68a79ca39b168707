// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <sstream>

#include "tests/unit/sinks/otlp_support.h"
#include "userspace/sinks/sentry/ai_span.h"
#include "userspace/sinks/sentry/dsn.h"

namespace llmtap::sentry {
namespace {

using otlp::Value;
using test::sample_chat;

TEST_CASE("sentry: DSNs", "[unit]") {
  struct Case {
    const char *text, *otlp, *key;  // otlp empty: refused
  };
  const Case cases[] = {
      {"https://abc@o1.ingest.us.sentry.io/42",
       "https://o1.ingest.us.sentry.io/api/42/integration/otlp/v1/traces", "abc"},
      {"http://abc:secret@localhost:9000/1",
       "http://localhost:9000/api/1/integration/otlp/v1/traces", "abc"},
      {"https://abc@example.com/sentry/7",
       "https://example.com/sentry/api/7/integration/otlp/v1/traces", "abc"},
      {"", "", ""},
      {"abc@example.com/7", "", ""},
      {"https://example.com/7", "", ""},
      {"https://abc@example.com", "", ""},
      {"https://abc@example.com/", "", ""},
      {"https://@example.com/7", "", ""},
      {"https://abc@/7", "", ""},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.text) {
      const auto dsn = parse_dsn(c.text);
      REQUIRE(dsn.ok() == (c.otlp[0] != '\0'));
      if (!dsn) {
        CHECK(dsn.error().message.find("abc") == std::string::npos);
        return;
      }
      CHECK(dsn->otlp_url() == c.otlp);
      CHECK(dsn->public_key == c.key);
    }
  }
}

TEST_CASE("sentry: an AI span", "[unit]") {
  auto call = sample_chat();
  call.cost = Cost{0.25, 0.5, 0.75, Cost::Source::kTable};
  const auto span = ai_span(call, {.environment = "prod", .release = "shop@1"});
  const auto& a = span.attributes;
  CHECK(a["sentry.op"] == "gen_ai.chat");
  CHECK(a["sentry.environment"] == "prod");
  CHECK(a["sentry.release"] == "shop@1");
  call.process.environment = {{"DD_ENV", "staging"}};
  const auto own = ai_span(call, {.environment = "prod"}).attributes;
  CHECK(own["sentry.environment"] == "staging");
  CHECK(a["gen_ai.usage.input_tokens"] == 8);  // with what was cached, or the cost is negative
  CHECK(a["gen_ai.usage.total_tokens"] == 15);
  CHECK(a["gen_ai.response.streaming"] == true);
  CHECK(a["gen_ai.cost.total_tokens"] == 0.75);
  CHECK(!a.contains("gen_ai.input.messages"));
  CHECK(ai_span(call, {.content = true}).attributes["gen_ai.input.messages"].is_string());
}

TEST_CASE("sentry: a sample is of whole traces, and has every failure", "[unit]") {
  auto call = sample_chat();
  int kept = 0;
  for (int i = 0; i < 1000; ++i) {
    call.id = std::to_string(i);
    kept += sampled(call, {.sample_rate = 0.25}) ? 1 : 0;
  }
  CHECK(kept > 180);
  CHECK(kept < 320);
  call.trace.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const bool first = sampled(call, {.sample_rate = 0.5});
  call.id = "another";
  CHECK(sampled(call, {.sample_rate = 0.5}) == first);
  CHECK(!sampled(call, {.sample_rate = 0}));
  call.http_status = 500;
  CHECK(sampled(call, {.sample_rate = 0}));
}

TEST_CASE("sentry: an envelope", "[unit]") {
  auto call = sample_chat();
  call.http_status = 500;
  const Dsn dsn{"https://example.com", "abc", "7"};
  std::istringstream lines(
      envelope(ai_span(call, {.environment = "prod"}), {{"host.name", "node-1"}}, dsn));
  std::string head, item, payload, rest;
  std::getline(lines, head);
  std::getline(lines, item);
  std::getline(lines, payload);
  CHECK(!std::getline(lines, rest));
  const auto trace = Value::parse(head)["trace"];
  CHECK(trace["public_key"] == "abc");
  CHECK(trace["environment"] == "prod");
  const auto header = Value::parse(item);
  CHECK(header["type"] == "span");
  CHECK(header["item_count"] == 1);
  CHECK(header["length"] == payload.size());
  const auto span = Value::parse(payload)["items"][0];
  CHECK(span["trace_id"] == trace["trace_id"]);
  CHECK(span["is_segment"] == true);
  CHECK(span["status"] == "error");
  CHECK(span["end_timestamp"].get<double>() - span["start_timestamp"].get<double>() == Approx(1.5));
  const Value integer = {{"type", "integer"}, {"value", 8}};
  CHECK(span["attributes"]["gen_ai.usage.input_tokens"] == integer);
  CHECK(span["attributes"]["gen_ai.response.finish_reasons"]["type"] == "array");
  CHECK(span["attributes"]["gen_ai.request.stream"]["type"] == "boolean");
  CHECK(span["attributes"]["host.name"]["value"] == "node-1");
}

}  // namespace
}  // namespace llmtap::sentry
