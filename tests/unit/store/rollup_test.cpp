// SPDX-License-Identifier: Apache-2.0
#include "userspace/store/rollup.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

#include "tests/support/scratch_directory.h"
#include "tests/unit/store/store_support.h"
#include "userspace/store/retention.h"
#include "userspace/store/schema.h"

using namespace llmtap;
using namespace llmtap::test;

namespace {

constexpr std::int64_t kFromUs = static_cast<std::int64_t>(kStart / 1000) - 3'600'000'000;

std::vector<RollupRow> sums(const std::string& path, RollupQuery query, const std::string& filter) {
  auto reader = StoreReader::open(path);
  REQUIRE(reader.ok());
  query.filter = *parse_filter(filter);
  if (query.to_us == 0) query.to_us = kFromUs + 7'200'000'000;
  query.from_us = kFromUs;
  auto rows = (*reader)->rollup(query);
  INFO((rows.ok() ? "" : rows.error().message));
  REQUIRE(rows.ok());
  return *rows;
}

void fill(Store& store, int from, int to) {
  for (int i = from; i < to; ++i) {
    auto call = call_of(i, "asked " + std::to_string(i), "said");
    if (i % 5 == 4) call.error = CallError{"rate_limit_error", "", "slow down", "", false};
    insert(store, call);
  }
}

}  // namespace

TEST_CASE("sketch: quantiles within 1.2 % of the exact ones", "[unit]") {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> times(13, 2);  // median 0.44 s, in us
  std::vector<std::uint64_t> values;
  Sketch whole, left, right;
  for (int i = 0; i < 20'000; ++i) {
    values.push_back(static_cast<std::uint64_t>(times(random)));
    whole.add(values.back());
    (i % 3 == 0 ? left : right).add(values.back());
  }
  std::sort(values.begin(), values.end());
  Sketch merged;
  CHECK(merged.merge(right.encode()));
  CHECK(merged.merge(left.encode()));
  CHECK(merged.count() == values.size());
  CHECK(merged.encode() == whole.encode());
  CHECK(whole.encode().size() < 2000);
  for (const double q : {0.0, 0.01, 0.5, 0.9, 0.99, 1.0}) {
    CAPTURE(q);
    const auto exact = static_cast<double>(
        values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))]);
    CHECK(*merged.quantile(q) == Approx(exact).epsilon(0.012));
  }
}

TEST_CASE("sketch: edges and damage", "[unit]") {
  Sketch sketch;
  CHECK_FALSE(sketch.quantile(0.5));
  sketch.add(0);
  CHECK(*sketch.quantile(0.5) == 0);
  sketch.add(1);
  sketch.add(~std::uint64_t{0});
  CHECK(*sketch.quantile(1) == Approx(1.8447e19).epsilon(0.012));
  Sketch other;
  const auto whole = sketch.encode();
  CHECK(other.merge(whole));
  for (std::size_t cut = 1; cut < whole.size(); ++cut) other.merge(whole.substr(0, cut));
  CHECK_FALSE(other.merge("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"));
  CHECK_FALSE(other.merge("\xff\xff\x7f\x01"));
}

TEST_CASE("rollup: sums are those of the calls", "[unit]") {
  ScratchDirectory scratch;
  const auto path = scratch.path("s.db");
  auto store = open_store(path);
  fill(*store, 0, 100);
  insert(*store, call_of(3, "again", ""));  // a resend counts once

  const auto rows = sums(path, {}, "");
  REQUIRE(rows.size() == 2);
  std::uint64_t calls = 0;
  for (const auto& row : rows) {
    calls += row.sums.calls;
    CHECK(row.model == "gpt-4o-2024-08-06");
    CHECK(row.service.empty());
    CHECK(row.sums.input == row.sums.calls * 10);
    CHECK(row.sums.duration.count() == row.sums.calls);
    CHECK(*row.sums.ttft.quantile(0.5) == Approx(250'000).epsilon(0.012));
  }
  CHECK(calls == 100);

  const auto failed = sums(path, {.by_error = true}, "status:error provider:openai");
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].error == "rate_limit");
  CHECK(failed[0].sums.calls == 10);
  CHECK(sums(path, {}, "-provider:openai model:gpt-*").at(0).sums.calls == 50);
  // Hours give the same.
  const auto hours = sums(path, {.to_us = kFromUs + 86'400'000'000}, "");
  REQUIRE(hours.size() == 2);
  CHECK(hours[0].sums.calls == 50);

  auto reader = StoreReader::open(path);
  CHECK_FALSE((*reader)->rollup({.filter = *parse_filter("duration:>1s")}).ok());
}

TEST_CASE("rollup: an older layout is filled from its calls", "[unit]") {
  ScratchDirectory scratch;
  const auto path = scratch.path("s.db");
  {
    auto store = open_store(path);
    fill(*store, 0, 50);
  }
  const auto before = sums(path, {.by_service = true, .by_error = true}, "");
  {
    auto db = Database::open(path, Database::Mode::kCreate);
    REQUIRE(db->execute("DROP TABLE rollup; PRAGMA user_version = 1").ok());
  }
  auto store = open_store(path);
  const auto after = sums(path, {.by_service = true, .by_error = true}, "");
  REQUIRE(after.size() == before.size());
  for (std::size_t i = 0; i < after.size(); ++i) {
    CHECK(after[i].sums.calls == before[i].sums.calls);
    CHECK(after[i].sums.cost_nano == before[i].sums.cost_nano);
    CHECK(after[i].sums.duration.encode() == before[i].sums.duration.encode());
  }
  fill(*store, 50, 60);  // and it goes on
  CHECK(sums(path, {.by_provider = false, .by_model = false}, "").at(0).sums.calls == 60);
}

TEST_CASE("rollup: old ones go in pieces", "[unit]") {
  ScratchDirectory scratch;
  const auto path = scratch.path("s.db");
  auto store = open_store(path);
  fill(*store, 0, 10);
  auto db = Database::open(path, Database::Mode::kCreate);
  const auto rows = [&](int tier) {
    return **db->number("SELECT count(*) FROM rollup WHERE tier = " + std::to_string(tier));
  };
  const auto now = static_cast<std::int64_t>(kStart / kSecond);
  REQUIRE(retain_rollups(*db, now, 86'400).ok());
  CHECK(rows(60) > 0);
  REQUIRE(retain_rollups(*db, now + kMinutesKept + 600, 30 * 86'400).ok());
  CHECK(rows(60) == 0);
  CHECK(rows(3600) > 0);
  REQUIRE(retain_rollups(*db, now + 31 * 86'400, 30 * 86'400).ok());
  CHECK(rows(3600) == 0);
}
