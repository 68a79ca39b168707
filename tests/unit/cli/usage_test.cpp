// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

#include "userspace/base/terminal.h"
#include "userspace/cli/usage_report.h"

using namespace llmtap;

namespace {

RollupRow row_of(std::string provider, std::string model, std::string error, std::uint64_t calls,
                 std::uint64_t us) {
  RollupRow row;
  row.provider = std::move(provider);
  row.model = std::move(model);
  row.error = std::move(error);
  row.sums.calls = calls;
  row.sums.input = 10 * calls;
  row.sums.output = 20 * calls;
  row.sums.cost_nano = static_cast<std::int64_t>(calls) * 1'000'000;
  for (std::uint64_t i = 0; i < calls; ++i) row.sums.duration.add(us);
  return row;
}

std::vector<RollupRow> sample() {
  return {row_of("openai", "gpt-4o", "", 90, 2'000'000),
          row_of("openai", "gpt-4o", "rate_limit", 10, 1'000),
          row_of("anthropic", "claude-sonnet-4-5", "", 200, 5'000'000)};
}

}  // namespace

TEST_CASE("usage: errors are counted, and their times are not", "[unit]") {
  const auto rows = group_usage(sample(), {});
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].provider == "anthropic");  // most calls first
  const auto& openai = rows[1];
  CHECK(openai.sums.calls == 100);
  CHECK(openai.errors == 10);
  CHECK(openai.sums.input == 1000);
  CHECK(*openai.sums.duration.quantile(0.0) > 1'900'000);
  const auto by_error = group_usage(sample(), {.error = true});
  REQUIRE(by_error.size() == 3);
  CHECK(by_error[2].error == "rate_limit");
  CHECK(*by_error[2].sums.duration.quantile(0.5) < 1'100);
}

TEST_CASE("usage: a table for people", "[unit]") {
  auto rows = group_usage(sample(), {});
  rows[1].model = "a-deployment-with-a-name-of-more-than-forty-characters\x1b[2J";
  rows[1].limit = RateLimit{"tokens", 1000.0, 120.0, {}};
  for (const std::size_t columns : {80U, 100U, 200U}) {
    CAPTURE(columns);
    const auto text = usage_text(rows, {}, {.columns = columns});
    std::istringstream lines(text);
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
      CHECK(display_width(line) <= columns);
      for (const char c : line) CHECK(static_cast<unsigned char>(c) >= 0x20);
    }
    CHECK(count == 3);
    CHECK(text.find("12%") != std::string::npos);    // left of the limit
    CHECK(text.find("10%") != std::string::npos);    // errors
    CHECK(text.find("$0.10") != std::string::npos);  // cost
  }
  CHECK(usage_text(rows, {}, {.color = true}).find("\x1b[31m 12%") != std::string::npos);
}

TEST_CASE("usage: JSON lines", "[unit]") {
  auto rows = group_usage(sample(), {});
  std::istringstream lines(usage_json(rows, {}));
  std::string line;
  REQUIRE(std::getline(lines, line));
  const auto first = nlohmann::json::parse(line);
  CHECK(first["provider"] == "anthropic");
  CHECK(first["calls"] == 200);
  CHECK(first["duration_p95_ms"].get<double>() == Approx(5000).epsilon(0.02));
  CHECK_FALSE(first.contains("ttft_p50_ms"));  // none was streamed
  CHECK_FALSE(first.contains("service"));
}

TEST_CASE("usage: which limit is near", "[unit]") {
  struct Case {
    const char* name;
    const char* record;
    double age_s;
    const char* limit;  // nullptr: none
  };
  const Case cases[] = {
      {"the tightest",
       R"({"rate_limits":[{"name":"requests","limit":100,"remaining":90},{"name":"tokens","limit":1000,"remaining":10}]})",
       0, "tokens"},
      {"full again since",
       R"({"rate_limits":[{"name":"requests","limit":100,"remaining":90},{"name":"tokens","limit":1000,"remaining":10,"reset_s":5}]})",
       6, "requests"},
      {"without a rest", R"({"rate_limits":[{"name":"requests","limit":100}]})", 0, nullptr},
      {"of zero", R"({"rate_limits":[{"name":"requests","limit":0,"remaining":0}]})", 0, nullptr},
      {"none", "{}", 0, nullptr},
      {"other shapes", R"({"rate_limits":[1,"x",{"name":2},[]]})", 0, nullptr},
      {"no JSON", "", 0, nullptr},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      const auto limit = tightest_limit(c.record, c.age_s);
      REQUIRE(limit.has_value() == (c.limit != nullptr));
      if (limit) CHECK(limit->name == c.limit);
    }
  }
}

TEST_CASE("usage: --by", "[unit]") {
  const auto by = parse_usage_by("service,error");
  REQUIRE(by.ok());
  CHECK((by->service && by->error && !by->provider && !by->model));
  CHECK_FALSE(parse_usage_by("vendor").ok());
}
