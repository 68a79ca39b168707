// SPDX-License-Identifier: Apache-2.0
#include "userspace/store/store.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "tests/support/scratch_directory.h"
#include "tests/unit/store/store_support.h"
#include "userspace/sinks/record_json.h"
#include "userspace/sinks/store_sink.h"
#include "userspace/store/reader.h"
#include "userspace/store/schema.h"
#include "userspace/store/search_text.h"

using namespace llmtap;
using namespace llmtap::test;

TEST_CASE("store: what goes in comes out", "[unit]") {
  ScratchDirectory scratch;
  const auto path = scratch.path("dir/llmtap.db");
  auto store = open_store(path);
  CallRecord call = call_of(1, "What is the capital of France?", "Paris.");
  call.tools = {{"get_weather", "Weather of a city", R"({"type":"object"})", "function", false}};
  call.documents = {"a document"};
  insert(*store, call);
  insert(*store, call);  // again: left out

  namespace fs = std::filesystem;
  CHECK(fs::status(scratch.path("dir")).permissions() == fs::perms::owner_all);
  CHECK((fs::status(path).permissions() & (fs::perms::group_all | fs::perms::others_all)) ==
        fs::perms::none);

  const auto rows = find(path, "");
  REQUIRE(rows.size() == 1);
  CallSummary expected = summarize(call);
  expected.response_id.clear();
  CHECK(rows[0].summary == expected);
  CHECK(rows[0].preview_input == "What is the capital of France?");
  CHECK(rows[0].preview_output == "Paris.");
  const auto record = (*StoreReader::open(path))->record(rows[0].id);
  REQUIRE(record.ok());
  REQUIRE(record->has_value());
  CHECK(nlohmann::ordered_json::parse(**record) ==
        record_json(call, {.content = true, .headers = true}));
}

TEST_CASE("store: absent stays absent", "[unit]") {
  ScratchDirectory scratch;
  auto store = open_store(scratch.path("s.db"));
  CallRecord call;
  call.id = "bare";
  call.timing.request_start = kStart;
  call.timing.end = kStart;
  insert(*store, call);
  const auto rows = find(scratch.path("s.db"), "");
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].summary == summarize(call));
  CHECK(find(scratch.path("s.db"), "cost:<1").empty());
  CHECK(find(scratch.path("s.db"), "-finish:stop").size() == 1);
}

TEST_CASE("store: filters", "[unit]") {
  ScratchDirectory scratch;
  const auto path = scratch.path("s.db");
  auto store = open_store(path);
  for (int i = 0; i < 10; ++i)
    insert(*store, call_of(i, "question number " + std::to_string(i), "answer"));
  struct Case {
    const char* filter;
    std::size_t hits;
  };
  const Case cases[] = {
      {"", 10},
      {"service:shop", 10},
      {"service:none", 0},
      {"provider:openai", 5},
      {"provider:openai,anthropic", 10},
      {"-provider:openai", 5},
      {"model:gpt-4o*", 10},
      {"model:gpt-4o", 0},
      {"requested:gpt-4o", 10},
      {"model:*2024*", 10},
      {"status:error", 2},
      {"status:ok", 8},
      {"status:429", 2},
      {"status:4xx", 2},
      {"status:ok,429", 10},
      {"error:rate_limit", 2},
      {"duration:>2s", 3},
      {"duration:>=2s", 6},
      {"duration:<1500ms", 4},
      {"ttft:<=250ms", 10},
      {"cost:>=0.005", 5},
      {"input:10 output:>19", 10},
      {"stream:true", 0},
      {"stream:false", 10},
      {"id:id-3", 1},
      {"response:resp-4", 1},
      {"finish:stop provider:openai status:ok", 4},
      {"\"question number 7\"", 1},
      {"question", 10},
      {"question -\"number 7\"", 9},
      {"quest", 0},
      {"nothing", 0},
      {"QUESTION", 10},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.filter) { CHECK(find(path, c.filter).size() == c.hits); }
  }
}

TEST_CASE("store: search without spaces between words", "[unit]") {
  ScratchDirectory scratch;
  const auto path = scratch.path("s.db");
  auto store = open_store(path);
  insert(*store, call_of(0, "今日の天気を教えてください。", "東京は晴れです。"));
  insert(*store, call_of(1, "写一首关于秋天的诗", "秋风起兮白云飞"));
  insert(*store, call_of(2, "서울의 날씨는 어때?", "맑습니다"));
  insert(*store, call_of(3, "Ｆｕｌｌ width и кириллица, Ärger", "ok"));
  struct Case {
    const char* query;
    std::size_t hits;
  };
  const Case cases[] = {{"天気", 1}, {"天気を教え", 1}, {"気天", 0},  {"東京", 1},
                        {"晴", 1},   {"秋天的诗", 1},   {"白云", 1},  {"날씨", 1},
                        {"full", 1}, {"КИРИЛЛИЦА", 1},  {"arger", 1}, {"ください", 1}};
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.query) { CHECK(find(path, c.query).size() == c.hits); }
  }
}

TEST_CASE("store: history that is sent again is kept once", "[unit]") {
  ScratchDirectory scratch;
  const auto path = scratch.path("s.db");
  auto store = open_store(path);
  CallRecord call = call_of(0, std::string(20'000, 'x') + " needle", "first");
  insert(*store, call);
  for (int i = 1; i < 40; ++i) {
    call.id = "turn-" + std::to_string(i);
    call.timing.request_start += kSecond;
    call.input.push_back(message_of("user", "turn " + std::to_string(i)));
    insert(*store, call);
  }
  CHECK(find(path, "needle").size() == 40);
  auto db = Database::open(path, Database::Mode::kReadOnly);
  REQUIRE(db.ok());
  CHECK(**db->number("SELECT count(*) FROM block") == 3 + 39);
}

TEST_CASE("store: figures beyond reason do no harm", "[unit]") {
  ScratchDirectory scratch;
  const auto path = scratch.path("s.db");
  auto store = open_store(path);
  for (const double cost : {1e300, -1e300, std::numeric_limits<double>::infinity(),
                            std::numeric_limits<double>::quiet_NaN()}) {
    CallRecord call = call_of(static_cast<int>(find(path, "").size()), "ask", "say");
    call.cost = Cost{{}, {}, cost, Cost::Source::kProvider};
    call.usage.input_uncached = std::numeric_limits<std::uint64_t>::max();
    insert(*store, call);
  }
  auto reader = std::move(*StoreReader::open(path));
  const auto rows = reader->calls({});
  REQUIRE(rows->size() == 4);
  for (const auto& row : *rows) {
    CHECK(row.summary.input_tokens.value_or(0) > 1'000'000'000);
    if (row.summary.cost_usd) CHECK(std::abs(*row.summary.cost_usd) < 1e7);
  }
}

TEST_CASE("store: a directory that may not be read is no missing store", "[unit]") {
  if (::geteuid() != 0) FAIL("runs as root: it becomes somebody else");
  ScratchDirectory scratch;
  const auto path = scratch.path("private/s.db");
  open_store(path);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setuid(65534) != 0) ::_exit(2);
    const auto reader = StoreReader::open(path);
    ::_exit(!reader.ok() && reader.error().message.ends_with("Permission denied") ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
}

TEST_CASE("store: a reader works while another process writes and after kill -9", "[unit]") {
  ScratchDirectory scratch;
  const auto path = scratch.path("s.db");
  int progress[2];
  REQUIRE(::pipe(progress) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto store = Store::open(path);
    for (int i = 0;; ++i) {
      const auto stored = to_stored(call_of(i, "q" + std::to_string(i), "a"));
      if (!(*store)->insert({&stored, 1}).ok()) ::_exit(1);
      if (::write(progress[1], &i, sizeof i) < 0) ::_exit(1);
    }
  }
  int last = 0;
  while (last < 50) REQUIRE(::read(progress[0], &last, sizeof last) == sizeof last);
  CHECK(find(path, "").size() >= 50);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(progress[1]);
  while (::read(progress[0], &last, sizeof last) == sizeof last) {
  }
  ::close(progress[0]);
  // Every insert that returned is there.
  auto db = Database::open(path, Database::Mode::kCreate);
  REQUIRE(db.ok());
  CHECK(**db->number("SELECT count(*) FROM call") >= last + 1);
  auto check = db->prepare("PRAGMA integrity_check");
  REQUIRE(check->step() == SQLITE_ROW);
  CHECK(check->text(0) == "ok");
}

TEST_CASE("store: layouts", "[unit]") {
  ScratchDirectory scratch;
  const auto path = scratch.path("s.db");
  CHECK_FALSE(StoreReader::open(path).ok());  // and it is not made by reading
  CHECK_FALSE(std::filesystem::exists(path));
  {
    open_store(path);
  }
  {
    open_store(path);
  }  // migrating twice is nothing
  {
    auto db = Database::open(path, Database::Mode::kCreate);
    CHECK(**db->number("PRAGMA user_version") == kSchemaVersion);
    REQUIRE(db->execute("PRAGMA user_version = 99").ok());
  }
  const auto newer = Store::open(path);
  REQUIRE_FALSE(newer.ok());
  CHECK(newer.error().message.find("newer llmtap") != std::string::npos);
  CHECK_FALSE(StoreReader::open(path).ok());
  CHECK_FALSE(Store::open("/proc/nowhere/s.db").ok());
}

TEST_CASE("store: calls arrive in order for live views", "[unit]") {
  ScratchDirectory scratch;
  const auto path = scratch.path("s.db");
  auto store = open_store(path);
  insert(*store, call_of(5, "late start", "x"));
  auto reader = std::move(*StoreReader::open(path));
  const auto seen = *reader->last_seq();
  insert(*store, call_of(1, "early start, ends later", "x"));
  insert(*store, call_of(2, "other", "x"));
  auto rows = reader->arrived_after(seen, *parse_filter("provider:anthropic"), 10);
  REQUIRE(rows->size() == 1);
  CHECK((*rows)[0].preview_input == "early start, ends later");
  CHECK(reader->arrived_after(*reader->last_seq(), {}, 10)->empty());
}

TEST_CASE("store: two calls in one microsecond", "[unit]") {
  ScratchDirectory scratch;
  const auto path = scratch.path("s.db");
  auto store = open_store(path);
  for (int i = 0; i < 3; ++i) {
    CallRecord call = call_of(i, "q", "a");
    call.timing.request_start = kStart;
    insert(*store, call);
  }
  CHECK(find(path, "").size() == 3);
}

TEST_CASE("filter: errors name the column", "[unit]") {
  struct Case {
    const char* text;
    const char* error;
  };
  const Case cases[] = {
      {"servce:shop", "column 1: unknown field 'servce'"},
      {"service:shop modl:x", "column 14: unknown field 'modl'"},
      {"duration:>5", "column 10: expected a time"},
      {"duration:fast", "column 10: expected a time"},
      {"cost:>x", "column 6: expected a number"},
      {"service:>shop", "column 9: service has no order"},
      {"status:bad", "column 8: expected ok, error"},
      {"status:600", "column 8: expected ok, error"},
      {"stream:yes", "column 8: expected true or false"},
      {"service:", "column 9: a value is missing"},
      {"service:a,", "column 11: a value is missing"},
      {"\"open", "column 1: the quote is not closed"},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.text) {
      const auto filter = parse_filter(c.text);
      REQUIRE_FALSE(filter.ok());
      CHECK_THAT(filter.error().message, Catch::StartsWith(c.error));
    }
  }
}

TEST_CASE("search: terms", "[unit]") {
  struct Case {
    const char* text;
    const char* terms;
  };
  const Case cases[] = {{"Hello, World_1!", "hello world_1"},
                        {"天気", "天気"},
                        {"晴", "晴"},
                        {"今日の", "今日 日の"},
                        {"AI天気x", "ai 天気 x"},
                        {"", ""},
                        {"\xff\xfe", ""},
                        {"a\xff"
                         "b",
                         "a b"},
                        {"😀", ""},
                        {"ＡＢＣ１", "abc1"},
                        {"-- --", ""}};
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.text) { CHECK(search_terms(c.text, 1000) == c.terms); }
  }
  CHECK(search_phrase("\" OR 1") == "\"or 1\"");
  CHECK(search_terms(std::string(100, 'a'), 10).size() == 10);
}
