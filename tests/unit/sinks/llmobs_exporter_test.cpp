// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/llmobs_exporter.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/support/http_receiver.h"

using namespace llmtap;
using namespace llmtap::test;

namespace {

SharedCall sample_call() {
  auto call = std::make_shared<CallRecord>();
  call->id = "call-1";
  call->provider = "openai";
  call->dialect = "openai_chat";
  call->host = "api.openai.com";
  call->path = "/v1/chat/completions";
  call->model_served = "gpt-4o-2024-08-06";
  call->timing.request_start = 1'764'000'000'000'000'000;
  call->timing.end = call->timing.request_start + 1'000'000'000;
  call->http_status = 200;
  Part part;
  part.text = "hi";
  call->input = {{"user", {part}, {}, ""}};
  call->output = {{"assistant", {part}, {}, ""}};
  call->process.service = "shop";
  return call;
}

std::unique_ptr<Spool> memory() { return std::move(Spool::open("", 1 << 24).value()); }

}  // namespace

TEST_CASE("llmobs: which way the spans go", "[unit]") {
  const std::string with_proxy = R"({"endpoints": ["/v0.4/traces", "/evp_proxy/v2/"]})";
  struct Case {
    const char* name;
    int info_status;
    std::string info;
    std::optional<bool> agentless;
    std::string key;
    std::string override_origin;
    std::string url;  // "AGENT" stands for the Agent's origin; empty: an error
    bool carries_key;
  };
  const Case cases[] = {
      {"agent offers the proxy",
       200,
       with_proxy,
       {},
       "",
       "",
       "AGENT/evp_proxy/v2/api/v2/llmobs",
       false},
      {"agent without the proxy, key",
       200,
       R"({"endpoints": ["/v0.4/traces"]})",
       {},
       "k",
       "",
       "https://llmobs-intake.datadoghq.eu/api/v2/llmobs",
       true},
      {"agent without the proxy, no key", 200, R"({"endpoints": []})", {}, "", "", "", false},
      {"info is no JSON", 200, "<html>", {}, "", "", "", false},
      {"info of another shape", 200, "[1]", {}, "", "", "", false},
      {"info missing",
       404,
       "",
       {},
       "k",
       "",
       "https://llmobs-intake.datadoghq.eu/api/v2/llmobs",
       true},
      {"told to go directly", 200, with_proxy, true, "k", "",
       "https://llmobs-intake.datadoghq.eu/api/v2/llmobs", true},
      {"told to use the agent", 404, "", false, "k", "", "AGENT/evp_proxy/v2/api/v2/llmobs", false},
      {"origin overridden, directly", 404, "", true, "k", "https://example.test/base",
       "https://example.test/base/api/v2/llmobs", true},
      {"no key in clear text", 404, "", true, "k", "http://example.test",
       "http://example.test/api/v2/llmobs", false},
      {"clear text on this host", 404, "", true, "k", "http://127.0.0.1:8080",
       "http://127.0.0.1:8080/api/v2/llmobs", true},
      {"clear text, a name that begins like this host", 404, "", true, "k",
       "http://localhost.example.test", "http://localhost.example.test/api/v2/llmobs", false},
      {"clear text, this host as a user's name", 404, "", true, "k",
       "http://127.0.0.1@example.test", "http://127.0.0.1@example.test/api/v2/llmobs", false},
      {"clear text, this host as user and password", 404, "", true, "k",
       "http://localhost:80@example.test", "http://localhost:80@example.test/api/v2/llmobs", false},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      HttpReceiver agent(
          [&](const Received&) { return Reply{.status = c.info_status, .body = c.info}; });
      HttpClient client;
      const auto endpoint = resolve_llmobs(
          {"datadoghq.eu", c.key, c.agentless, agent.url(), c.override_origin}, client);
      REQUIRE(endpoint.ok() == !c.url.empty());
      if (!endpoint) return;
      std::string url = c.url;
      if (url.starts_with("AGENT")) url.replace(0, 5, agent.url());
      CHECK(endpoint->url == url);
      bool key = false;
      for (const auto& header : endpoint->headers) key |= header == "DD-API-KEY: k";
      CHECK(key == c.carries_key);
    }
  }
}

TEST_CASE("llmobs: spans arrive at the Agent as the SDK would send them", "[unit]") {
  HttpReceiver agent([](const Received& request) {
    return request.path == "/info"
               ? Reply{.status = 200, .body = R"({"endpoints": ["/evp_proxy/v2/"]})"}
               : Reply{};
  });
  LlmobsWriter writer({"datadoghq.com", "", {}, agent.url(), ""}, memory());
  const std::vector<SharedCall> calls(3, sample_call());
  writer.write(calls);
  writer.flush(std::chrono::milliseconds{5000});
  const auto requests = agent.requests();
  REQUIRE(requests.size() == 2);
  const auto& sent = requests[1];
  CHECK(sent.method == "POST");
  CHECK(sent.path == "/evp_proxy/v2/api/v2/llmobs");
  CHECK(sent.headers.find("X-Datadog-EVP-Subdomain: llmobs-intake\r\n") != std::string::npos);
  CHECK(sent.headers.find("Content-Type: application/json\r\n") != std::string::npos);
  CHECK(sent.headers.find("Expect") == std::string::npos);
  const auto payload = nlohmann::json::parse(sent.body);
  REQUIRE(payload.size() == 3);
  for (const auto& envelope : payload) {
    CHECK(envelope["_dd.stage"] == "raw");
    CHECK(envelope["event_type"] == "span");
    REQUIRE(envelope["spans"].size() == 1);
    CHECK(envelope["spans"][0]["meta"]["model_name"] == "gpt-4o-2024-08-06");
  }
  // The same record is the same span: a resend can be recognised.
  CHECK(payload[0]["spans"][0]["span_id"] == payload[1]["spans"][0]["span_id"]);
  SinkCounts counts;
  writer.count(counts);
  CHECK(counts.delivery->delivered == 3);
  CHECK(counts.withheld == 0);
}

TEST_CASE("llmobs: calls that a tracer reports itself are counted as withheld", "[unit]") {
  auto call = *sample_call();
  call.process.ddtrace_loaded = true;
  call.trace.datadog_trace_id = "1";
  call.trace.datadog_parent_id = "2";
  call.trace.datadog_tags = "_dd.p.llmobs_parent_id=3";
  LlmobsWriter writer({"datadoghq.com", "", false, "http://127.0.0.1:1", ""}, memory());
  const std::vector<SharedCall> calls(2, std::make_shared<const CallRecord>(call));
  writer.write(calls);
  SinkCounts counts;
  writer.count(counts);
  CHECK(counts.withheld == 2);
}
