// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <random>

#include "tests/support/scratch_directory.h"
#include "tests/unit/store/store_support.h"
#include "userspace/store/sqlite.h"

using namespace llmtap;
using namespace llmtap::test;

TEST_CASE("store: retention by age and size", "[unit]") {
  ScratchDirectory scratch;
  const auto path = scratch.path("s.db");
  auto store = open_store(path);
  constexpr TimeNs kDay = 86'400 * kSecond;
  for (int i = 0; i < 30; ++i) {
    CallRecord call = call_of(i, "day" + std::to_string(i) + " common", "x");
    call.timing.request_start = kStart + static_cast<TimeNs>(i) * kDay;
    insert(*store, call);
  }
  const Retention retention{std::chrono::hours{24 * 10}, std::uint64_t{1} << 40};
  while (*store->retain(retention, kStart + 30 * kDay)) {
  }
  CHECK(find(path, "").size() == 10);
  CHECK(find(path, "common").size() == 10);
  CHECK(find(path, "day3").empty());
  CHECK(find(path, "day25").size() == 1);
  auto db = Database::open(path, Database::Mode::kReadOnly);
  CHECK(**db->number(
            "SELECT count(*) FROM block WHERE day < (SELECT min(id) FROM call) / 86400000000") ==
        0);
  CHECK(**db->number("SELECT count(*) FROM detail") == 10);

  for (int i = 0; i < 5 && *store->retain({std::chrono::hours{24 * 1000}, 1}, kStart + 30 * kDay);
       ++i) {
  }
  CHECK(find(path, "").size() <= 10);
}

namespace {

std::int64_t used_bytes(const std::string& path) {
  auto db = Database::open(path, Database::Mode::kReadOnly);
  return (**db->number("PRAGMA page_count") - **db->number("PRAGMA freelist_count")) *
         **db->number("PRAGMA page_size");
}

// Calls of one day with texts that do not compress: in blocks only, or to be searched as well.
void fill_a_day(Store& store, int calls, bool searchable) {
  std::minstd_rand random(1);
  for (int i = 0; i < calls; ++i) {
    CallRecord call = call_of(i, "ask", "say");
    std::string noise;
    for (int k = 0; k < 800; ++k) noise += std::to_string(random() % 1'000'000'000) + ' ';
    auto& part = call.input[1].parts[0];
    (searchable ? part.text : part.raw) = '"' + noise + '"';
    insert(store, call);
  }
}

}  // namespace

TEST_CASE("store: the size holds within a day, and what is newest stays", "[unit]") {
  const bool searchable = GENERATE(false, true);
  const int calls = GENERATE(300, 1200);
  CAPTURE(searchable, calls);
  ScratchDirectory scratch;
  const auto path = scratch.path("s.db");
  auto store = open_store(path);
  fill_a_day(*store, calls, searchable);
  const auto all = used_bytes(path);
  const Retention retention{std::chrono::hours{24 * 30}, static_cast<std::uint64_t>(all / 2)};
  int pieces = 0;
  while (*store->retain(retention, kStart + 3600 * kSecond)) REQUIRE(++pieces < 100);
  CHECK(used_bytes(path) <= all / 2);
  const auto left = find(path, "", 10'000);
  REQUIRE_FALSE(left.empty());
  CHECK(static_cast<TimeNs>(left.front().id) >=
        kStart / 1000 + static_cast<TimeNs>(calls - 1) * 1'000'000);
  if (!searchable) CHECK(left.size() > static_cast<std::size_t>(calls) / 8);
  insert(*store, call_of(calls + 1, "after", "say"));
  CHECK(find(path, "after").size() == 1);
}

TEST_CASE("store: names go with the last call that had them", "[unit]") {
  ScratchDirectory scratch;
  const auto path = scratch.path("s.db");
  auto store = open_store(path);
  constexpr TimeNs kDay = 86'400 * kSecond;
  for (int i = 0; i < 20; ++i) {
    CallRecord call = call_of(i, "ask", "say");
    call.session_id = "session-" + std::to_string(i);
    call.timing.request_start = kStart + static_cast<TimeNs>(i) * kDay;
    insert(*store, call);
  }
  const Retention retention{std::chrono::hours{24 * 5}, std::uint64_t{1} << 40};
  while (*store->retain(retention, kStart + 20 * kDay)) {
  }
  auto db = Database::open(path, Database::Mode::kReadOnly);
  CHECK(**db->number("SELECT count(*) FROM name WHERE text GLOB 'session-*'") == 5);
  CHECK(find(path, "service:shop provider:openai").size() +
            find(path, "provider:anthropic").size() ==
        5);
  CallRecord again = call_of(30, "ask", "say");  // a name that was forgotten
  again.session_id = "session-0";
  again.timing.request_start = kStart + 20 * kDay;
  insert(*store, again);
  CHECK(find(path, "session:session-0").size() == 1);
}
