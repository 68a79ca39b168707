// SPDX-License-Identifier: Apache-2.0
#include "userspace/enrich/pricing.h"

#include <catch2/catch.hpp>

using namespace llmtap;

namespace {

constexpr TimeNs k2026 = 1'767'225'600'000'000'000;  // 2026-01-01

CallRecord call_of(std::string provider, std::string model, std::uint64_t input,
                   std::uint64_t output) {
  CallRecord call;
  call.provider = std::move(provider);
  call.model_served = std::move(model);
  call.usage.input_uncached = input;
  call.usage.output_visible = output;
  call.timing.request_start = k2026;
  return call;
}

std::optional<double> total(CallRecord call) {
  static const PriceTable table = PriceTable::built_in();
  table.apply(call);
  return call.cost ? std::optional<double>(call.cost->total_usd) : std::nullopt;
}

}  // namespace

TEST_CASE("pricing: the built-in table", "[unit]") {
  CHECK(PriceTable::built_in().date() == "2026-08-21");
  struct Case {
    const char* name;
    CallRecord call;
    std::optional<double> usd;
  };
  const Case cases[] = {
      {"gpt-3.5-turbo", call_of("openai", "gpt-3.5-turbo", 26, 217), 0.0003385},
      {"dated name", call_of("openai", "gpt-3.5-turbo-0125", 26, 217), 0.0003385},
      {"azure falls back to openai", call_of("azure_openai", "gpt-35-turbo", 26, 217), 0.0003385},
      {"unknown host, known model", call_of("", "gpt-3.5-turbo", 26, 217), 0.0003385},
      {"upper case", call_of("openai", "GPT-3.5-Turbo", 26, 217), 0.0003385},
      {"claude 3 opus", call_of("anthropic", "claude-3-opus-20240229", 1000, 1000), 0.09},
      {"bedrock region prefix",
       call_of("amazon_bedrock", "us.anthropic.claude-3-haiku-20240307-v1:0", 1'000'000, 0), 0.25},
      {"unknown model", call_of("openai", "gpt-99-secret", 10, 10), {}},
      {"own machine", call_of("ollama", "gpt-3.5-turbo", 10, 10), {}},
      {"no usage", CallRecord{}, {}},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      const auto usd = total(c.call);
      REQUIRE(usd.has_value() == c.usd.has_value());
      if (usd) CHECK(*usd == Approx(*c.usd).epsilon(1e-9));
    }
  }
}

TEST_CASE("pricing: classes of tokens", "[unit]") {
  const Price price{.input = 10,
                    .output = 20,
                    .cache_read = 1,
                    .cache_write = 12,
                    .cache_write_1h = 15,
                    .input_audio = 100};
  CallRecord call = call_of("x", "m", 1'000'000, 1'000'000);
  CHECK(cost_of(call, price)->total_usd == Approx(30));
  call.usage.cache_read = 1'000'000;
  CHECK(cost_of(call, price)->total_usd == Approx(31));
  call.usage.cache_write = 2'000'000;
  call.usage.cache_write_1h = 1'000'000;
  CHECK(cost_of(call, price)->total_usd == Approx(31 + 12 + 15));
  call.usage.reasoning = 1'000'000;  // charged like output
  CHECK(cost_of(call, price)->total_usd == Approx(31 + 12 + 15 + 20));
  call.usage.input_audio = 500'000;  // part of the input
  CHECK(cost_of(call, price)->total_usd == Approx(31 + 12 + 15 + 20 + 45));

  CallRecord cut = call_of("x", "m", 10, 0);
  cut.usage.output_visible.reset();
  CHECK_FALSE(cost_of(cut, price));  // what was said is unknown: so is the cost
  cut.operation = Operation::kEmbeddings;
  CHECK(cost_of(cut, price)->total_usd == Approx(10 * 10e-6));
  CHECK_FALSE(cost_of(call, Price{.output = 1}));
}

TEST_CASE("pricing: tiers, dates, hours and service tiers", "[unit]") {
  auto table = PriceTable::parse(R"({"date": "d", "providers": [{"labels": ["v"],
    "tiers": {"flex": {"*": 0.5}, "priority": {"^dated": 2, "^da": 3}}, "models": [
    {"match": ["^big"], "prices": [{"in": 1, "out": 2, "above": {"200000": {"in": 10}}}]},
    {"match": ["=dated"], "prices": [{"in": 1, "out": 1}, {"from": "2026-06-01", "in": 5, "out": 5}]},
    {"match": ["=night"], "prices": [{"in": 1, "out": 1}, {"hours": ["08:00", "16:00"], "in": 3, "out": 3}]},
    {"match": ["*part"], "prices": [{"in": 7}]}, {"match": ["^part-x"], "prices": [{"in": 8}]},
    {"match": ["=part-x1"], "prices": [{"in": 9}]}, {"match": ["~^re\\d$"], "prices": [{"in": 4}]}]}]})");
  REQUIRE(table.ok());
  const auto input = [&](const char* model, TimeNs at, std::uint64_t tokens) {
    const auto price = table->find("v", model, at, tokens);
    return price ? price->input : std::nullopt;
  };
  constexpr TimeNs kHour = 3'600'000'000'000;
  CHECK(input("big-1", k2026, 200'000) == 1);
  CHECK(input("big-1", k2026, 200'001) == 10);
  CHECK(table->find("v", "big-1", k2026, 300'000)->output == 2);
  CHECK(input("dated", k2026, 1) == 1);
  CHECK(input("dated", k2026 + 200 * 24 * kHour, 1) == 5);
  CHECK(input("night", k2026 + 3 * kHour, 1) == 1);
  CHECK(input("night", k2026 + 9 * kHour, 1) == 3);
  CHECK(input("a-part", k2026, 1) == 7);
  CHECK(input("part-x2", k2026, 1) == 8);
  CHECK(input("part-x1", k2026, 1) == 9);
  CHECK(input("re5", k2026, 1) == 4);
  CHECK(input("models/re5", k2026, 1) == 4);
  CHECK_FALSE(input("re55", k2026, 1));
  CHECK_FALSE(input("none", k2026, 1));

  CallRecord call = call_of("v", "dated", 1'000'000, 0);
  call.params = {{"service_tier", "\"flex\""}};
  table->apply(call);
  CHECK(call.cost->total_usd == Approx(0.5));
  CallRecord priority = call_of("v", "dated", 1'000'000, 0);
  priority.params = {{"service_tier", "\"flex\""}};
  priority.vendor = {{"service_tier", "\"priority\""}};  // what was served counts
  table->apply(priority);
  CHECK(priority.cost->total_usd == Approx(2));
  CallRecord unknown = call_of("v", "part-x1", 1'000'000, 0);
  unknown.vendor = {{"service_tier", "\"priority\""}};
  table->apply(unknown);
  CHECK_FALSE(unknown.cost);

  table->add("v", "dated", Price{.input = 100});
  table->add("", "mine-*", Price{.input = 1, .output = 1});
  CHECK(input("dated", k2026, 1) == 100);
  CHECK(table->find("v", "dated", k2026, 1)->output == 1);
  CHECK(input("mine-7b", k2026, 1) == 1);

  CHECK_FALSE(PriceTable::parse("{}").ok());
  CHECK_FALSE(PriceTable::parse("no json").ok());
}

TEST_CASE("pricing: service tiers of the built-in table", "[unit]") {
  struct Case {
    const char* provider;
    const char* model;
    const char* tier;
    std::optional<double> factor;
  };
  const Case cases[] = {{"openai", "gpt-5-2025-08-07", "default", 1},
                        {"openai", "gpt-5-2025-08-07", "priority", 2},
                        {"openai", "gpt-5-mini", "priority", 1.8},
                        {"openai", "gpt-4o-2024-08-06", "priority", 1.7},
                        {"openai", "gpt-5", "flex", 0.5},
                        {"openai", "gpt-3.5-turbo", "priority", {}},
                        {"anthropic", "claude-3-opus-20240229", "standard", 1},
                        {"anthropic", "claude-3-opus-20240229", "batch", 0.5},
                        {"anthropic", "claude-3-opus-20240229", "priority", {}},
                        {"gemini", "gemini-2.5-flash", "STANDARD", 1},
                        {"vertex_ai", "gemini-2.5-flash", "ON_DEMAND", 1},
                        {"vertex_ai", "gemini-2.5-flash", "ON_DEMAND_FLEX", 0.5},
                        {"bedrock", "us.anthropic.claude-3-haiku-20240307-v1:0", "priority", 1.75},
                        {"groq", "llama-3.3-70b-versatile", "flex", 1},
                        {"deepseek", "deepseek-chat", "flex", {}}};
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.provider << ' ' << c.model << ' ' << c.tier) {
      CallRecord call = call_of(c.provider, c.model, 1'000'000, 1'000'000);
      const auto usual = total(call);
      REQUIRE(usual);
      call.vendor = {{"service_tier", '"' + std::string(c.tier) + '"'}};
      const auto usd = total(call);
      REQUIRE(usd.has_value() == c.factor.has_value());
      if (usd) CHECK(*usd == Approx(*usual * *c.factor));
    }
  }
}

TEST_CASE("pricing: what the provider says is not overwritten", "[unit]") {
  CallRecord call = call_of("openai", "gpt-3.5-turbo", 26, 217);
  call.cost = Cost{{}, {}, 42, Cost::Source::kProvider};
  CHECK(total(call) == 42);
}
