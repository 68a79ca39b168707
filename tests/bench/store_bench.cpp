// SPDX-License-Identifier: Apache-2.0
//
// The store at a million calls: makes one (or goes on with the file of an earlier run), then times
// what people ask of it. Every query runs seven times, each over a fresh connection; shown are the
// median, the slowest, and the processor's time of the median run. Ends with 1 if a median is over
// its budget (100 ms, a search 200 ms).
//   bench_store FILE [CALLS]
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "userspace/sinks/store_sink.h"
#include "userspace/store/reader.h"
#include "userspace/store/sqlite.h"
#include "userspace/store/store.h"

using namespace llmtap;

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::int64_t kDays = 30;
constexpr TimeNs kNow = 1'764'000'000'000'000'000;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// Words by Zipf's law, as in speech: some in every call, most in few.
class Words {
 public:
  std::string text(std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) {
      const double u = std::uniform_real_distribution<double>(0, 1)(random_);
      const auto rank = static_cast<int>(std::exp(u * std::log(50'000.0)));
      out += "w" + std::to_string(rank) + ' ';
    }
    return out;
  }
  std::mt19937_64 random_{42};
};

CallRecord make_call(Words& words, std::int64_t number, std::int64_t total) {
  static const char* const kModels[] = {"gpt-4o-2024-08-06", "gpt-4o-mini",    "claude-sonnet-4-5",
                                        "claude-haiku-4-5",  "gemini-2.5-pro", "mistral-large"};
  static const char* const kProviders[] = {"openai",    "openai", "anthropic",
                                           "anthropic", "gemini", "mistral"};
  auto& random = words.random_;
  CallRecord call;
  call.id = "bench-" + std::to_string(number);
  const auto kind = std::min<std::size_t>(random() % 6, random() % 6);
  call.provider = kProviders[kind];
  call.model_requested = call.model_served = kModels[kind];
  call.dialect = "openai_chat";
  call.host = "api.example.com";
  call.process.service = "service-" + std::to_string(std::min(random() % 20, random() % 20));
  call.process.exe = "/usr/bin/python3";
  call.timing.request_start =
      kNow - static_cast<TimeNs>((total - number) * (kDays * 86'400 * 1'000'000'000LL / total));
  const auto us = static_cast<TimeNs>(std::lognormal_distribution<double>(14, 1)(random));
  call.timing.first_token = call.timing.request_start + us * 300;
  call.timing.end = call.timing.request_start + us * 1000;
  call.http_status = random() % 50 == 0 ? 429 : 200;
  call.finish_reason = "stop";
  call.usage.input_uncached = random() % 4000;
  call.usage.output_visible = random() % 800;
  call.cost = Cost{{}, {}, static_cast<double>(random() % 1000) / 1e5, Cost::Source::kTable};
  call.response_id = "resp-" + std::to_string(number);
  const auto say = [](const char* role, std::string text) {
    Message message;
    message.role = role;
    message.parts.emplace_back().text = std::move(text);
    return message;
  };
  call.input = {say("system", "You are service " + call.process.service),
                say("user", words.text(12) + (number % 50'000 == 7 ? "needle" : ""))};
  call.output = {say("assistant", words.text(20))};
  return call;
}

int complain(const Error& error) {
  std::fprintf(stderr, "%s\n", error.message.c_str());
  return 1;
}

int fill(const std::string& path, std::int64_t total) {
  auto store = Store::open(path);
  if (!store) return complain(store.error());
  auto there = Database::open(path, Database::Mode::kReadOnly);
  if (!there) return complain(there.error());
  const auto first = there->number("SELECT count(*) FROM call")->value_or(0);
  if (first >= total) return 0;
  Words words;
  words.random_.seed(static_cast<std::uint64_t>(first));
  const auto start = Clock::now();
  std::vector<StoredCall> batch;
  for (std::int64_t i = first; i < total; ++i) {
    batch.push_back(to_stored(make_call(words, i, total)));
    if (batch.size() < 1000 && i + 1 < total) continue;
    if (auto status = (*store)->insert(batch); !status) return complain(status.error());
    batch.clear();
  }
  const double seconds = ms_since(start) / 1000;
  std::printf("%lld calls in %.0f s: %.0f a second; %ju MiB\n",
              static_cast<long long>(total - first), seconds,
              static_cast<double>(total - first) / seconds,
              static_cast<std::uintmax_t>(std::filesystem::file_size(path) >> 20));
  return 0;
}

struct Question {
  const char* name;
  double budget_ms;
  std::function<Result<std::size_t>(const StoreReader&)> ask;  // how many rows came
};

Question list(const char* name, const char* filter, double budget_ms, std::size_t limit = 100,
              std::optional<std::int64_t> before = {}) {
  return {name, budget_ms, [=](const StoreReader& store) -> Result<std::size_t> {
            CallQuery query;
            query.filter = *parse_filter(filter);
            query.limit = limit;
            query.before_id = before;
            auto rows = store.calls(query);
            if (!rows) return rows.error();
            return rows->size();
          }};
}

Question sums(const char* name, const char* filter, std::int64_t hours) {
  return {name, 100, [=](const StoreReader& store) -> Result<std::size_t> {
            RollupQuery query;
            query.filter = *parse_filter(filter);
            query.to_us = static_cast<std::int64_t>(kNow / 1000);
            query.from_us = query.to_us - hours * 3'600'000'000;
            auto rows = store.rollup(query);
            if (!rows) return rows.error();
            for (const auto& row : *rows) {
              if (!row.sums.duration.quantile(0.95)) return Error{"no percentile"};
            }
            return rows->size();
          }};
}

// Whether the median of seven runs is within its budget.
Result<bool> in_time(const std::string& path, const Question& question) {
  std::vector<std::pair<double, double>> runs;  // wall, processor
  std::size_t rows = 0;
  for (int i = 0; i < 7; ++i) {
    auto store = StoreReader::open(path);
    if (!store) return store.error();
    const auto start = Clock::now();
    const auto used = std::clock();
    auto got = question.ask(**store);
    runs.emplace_back(ms_since(start),
                      1000.0 * static_cast<double>(std::clock() - used) / CLOCKS_PER_SEC);
    if (!got) return got.error();
    rows = *got;
  }
  std::sort(runs.begin(), runs.end());
  const auto [median, used] = runs[runs.size() / 2];
  const bool late = median > question.budget_ms;
  std::printf("%-28s %4zu rows  %7.1f ms (slowest %.1f, processor %.1f) of %.0f%s\n", question.name,
              rows, median, runs.back().first, used, question.budget_ms, late ? "  TOO SLOW" : "");
  return !late;
}

int ask(const std::string& path) {
  const std::int64_t middle = static_cast<std::int64_t>(kNow / 1000) - 15 * 86'400'000'000;
  const Question questions[] = {
      list("newest 100", "", 100),
      list("page in the middle", "", 100, 100, middle),
      list("service and model", "service:service-3 model:gpt-4o-mini", 100),
      list("rare service", "service:service-19 provider:mistral", 100),
      list("errors", "status:error", 100),
      list("slow and dear", "duration:>10s cost:>0.009", 100),
      list("by response id", "response:resp-12345", 100),
      sums("p95 by model, 1 h", "", 1),
      sums("p95 by model, 24 h", "", 24),
      sums("p95 by model, 30 d", "", 24 * 30),
      sums("p95 of a service, 30 d", "service:service-3 status:ok", 24 * 30),
      list("search: rare word", "needle", 200),
      list("search: word of some", "w4000", 200),
      list("search: word of many", "w20", 200),
      list("search: word of nearly all", "w1", 200),
      list("search: phrase and field", "\"w3 w1\" status:error", 200),
      list("search: nothing", "nosuchword", 200),
  };
  int late = 0;
  for (const auto& question : questions) {
    const auto fine = in_time(path, question);
    if (!fine) return complain(fine.error());
    late += *fine ? 0 : 1;
  }
  return late == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "usage: %s FILE [CALLS]\n", argv[0]), 2;
  const std::string path = argv[1];
  if (const int bad = fill(path, argc > 2 ? std::atoll(argv[2]) : 1'000'000)) return bad;
  return ask(path);
}
