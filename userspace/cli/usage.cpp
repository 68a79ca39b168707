// SPDX-License-Identifier: Apache-2.0
//
// `usage`: sums of the store over a range: who is called how much, how slow, at which cost, and how
// near a rate limit is.
#include <CLI/CLI.hpp>
#include <array>
#include <ctime>
#include <iostream>
#include <memory>

#include "userspace/base/clock.h"
#include "userspace/base/terminal.h"
#include "userspace/cli/commands.h"
#include "userspace/cli/store_options.h"
#include "userspace/cli/usage_report.h"

namespace llmtap {
namespace {

struct UsageOptions : StoreOptions {
  std::string by = "provider,model";
};

constexpr const char* kExamples = R"(Examples:
  llmtap usage                        the last 24 hours, by provider and model
  llmtap usage --since 15m
  llmtap usage --since 7d --by service,provider status:ok
  llmtap usage --by provider,error status:error

P50, P95 and TTFT95 (time to first token): of calls without an error. LEFT: of
the provider's tightest rate limit, as an answer last told. Sums are kept by
minute (6h at most are read so) and by hour; filters are service, provider,
model, error and status:ok or status:error.)";

FilterTerm is(std::string_view field, const std::string& text) {
  FilterTerm term;
  for (const auto& known : filter_fields()) {
    if (known.name == field) term.field = &known;
  }
  term.values.push_back({.text = text});
  return term;
}

// From the newest calls: a call that failed before its answer tells nothing.
std::optional<RateLimit> limit_of(const StoreReader& store, const UsageRow& row,
                                  std::int64_t from_us) {
  constexpr std::size_t kLooked = 5;
  CallQuery query;
  query.filter = {is("provider", row.provider), is("model", row.model)};
  query.from_us = from_us;
  query.limit = kLooked;
  const auto calls = store.calls(query);
  if (!calls) return std::nullopt;
  for (const auto& call : *calls) {
    const auto record = store.record(call.id);
    const auto& summary = call.summary;
    const auto age_ns = static_cast<double>(unix_ns()) -
                        static_cast<double>(summary.start_ns + summary.duration_ns);
    if (!record || !*record) continue;
    if (auto limit = tightest_limit(**record, age_ns / 1e9)) return limit;
  }
  return std::nullopt;
}

std::string time_text(std::int64_t us, bool utc) {
  const auto seconds = static_cast<std::time_t>(us / 1'000'000);
  std::tm tm{};
  if (utc) {
    gmtime_r(&seconds, &tm);
  } else {
    localtime_r(&seconds, &tm);
  }
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M", &tm);
  return text.data();
}

int usage(const UsageOptions& options) {
  const auto by = parse_usage_by(options.by);
  if (!by) return fail(by.error().message);
  auto filter = filter_of(options);
  if (!filter) return fail(filter.error().message);
  const auto from = since_us(options.since.empty() ? "24h" : options.since);
  if (!from) return fail(from.error().message);
  auto store = open_store(options);
  if (!store) return fail(store.error().message);

  RollupQuery query;
  query.filter = std::move(*filter);
  query.to_us = static_cast<std::int64_t>(unix_ns() / 1000) + 1;
  // From the begin of a minute or hour, so that nothing of the range is left out.
  const auto begin = [&from](std::int64_t tier) { return *from - *from % (tier * 1'000'000); };
  query.from_us = begin(kMinuteTier);
  if (query.to_us - query.from_us > StoreReader::kMinuteRangeUs) query.from_us = begin(kHourTier);
  query.by_provider = by->provider;
  query.by_model = by->model;
  query.by_service = by->service;
  query.by_error = true;
  const auto sums = (*store)->rollup(query);
  if (!sums) return fail(sums.error().message);
  auto rows = group_usage(*sums, *by);
  if (by->provider && by->model && !by->error) {
    for (auto& row : rows) row.limit = limit_of(**store, row, query.from_us);
  }
  if (options.json) {
    std::cout << usage_json(rows, *by);
    return 0;
  }
  if (rows.empty()) {
    std::cerr << "no calls since " << time_text(query.from_us, options.utc) << '\n';
    return 0;
  }
  const Terminal terminal = stdout_terminal();
  std::cout << "Since " << time_text(query.from_us, options.utc) << '\n'
            << usage_text(rows, *by, {terminal.color, terminal.columns});
  return 0;
}

}  // namespace

void add_usage(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<UsageOptions>();
  auto* sub = app.add_subcommand("usage", "Calls, errors, tokens, cost and latency, summed up");
  add_store_options(*sub, *options);
  sub->add_option("--by", options->by, "Some of provider,model,service,error")
      ->type_name("LIST")
      ->capture_default_str();
  sub->footer(kExamples);
  sub->callback([sub, options, &chosen] {
    take_negations(*sub, *options);
    chosen = [options] { return usage(*options); };
  });
}

}  // namespace llmtap
