// SPDX-License-Identifier: Apache-2.0
//
// `calls` (what is in the store) and `tail` (what comes into it).
#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <memory>
#include <thread>

#include "userspace/base/clock.h"
#include "userspace/base/terminal.h"
#include "userspace/cli/commands.h"
#include "userspace/cli/stop_signal.h"
#include "userspace/cli/store_options.h"
#include "userspace/sinks/terminal_table.h"

namespace llmtap {
namespace {

struct CallsOptions : StoreOptions {
  std::size_t limit = 50;
};

constexpr const char* kCallsExamples = R"(Examples:
  llmtap calls                               the newest 50
  llmtap calls --since 1h status:error       what failed in the last hour
  llmtap calls duration:'>5s' model:gpt-4*   slow ones (quote > for the shell)
  llmtap calls --json id:18c2... | jq .      whole records, one per line
)";

constexpr const char* kTailExamples = R"(Examples:
  llmtap tail                                every call as it finishes
  llmtap tail provider:anthropic status:error
  llmtap tail --json | jq -r .model_served
)";

TableStyle style_of(const StoreOptions& options) {
  const Terminal terminal = stdout_terminal();
  return {.color = terminal.color, .utc = options.utc, .columns = terminal.columns};
}

Status print(const StoreReader& store, const CallRow& row, const StoreOptions& options,
             const TableStyle& style) {
  if (!options.json) {
    std::cout << table_line(row.summary, style) << '\n';
    return Unit{};
  }
  auto record = store.record(row.id);
  if (!record) return record.error();
  if (*record) std::cout << **record << '\n';
  return Unit{};
}

int calls(const CallsOptions& options) {
  auto filter = filter_of(options);
  if (!filter) return fail(filter.error().message);
  CallQuery query;
  query.filter = std::move(*filter);
  query.limit = options.limit;
  if (!options.since.empty()) {
    auto from = since_us(options.since);
    if (!from) return fail(from.error().message);
    query.from_us = *from;
  }
  auto store = open_store(options);
  if (!store) return fail(store.error().message);
  auto rows = (*store)->calls(query);
  if (!rows) return fail(rows.error().message);
  TableStyle style = style_of(options);
  if (!rows->empty()) {
    constexpr std::int64_t kDayNs = 86'400'000'000'000;
    style.date = static_cast<std::int64_t>(unix_ns() - rows->back().summary.start_ns) > kDayNs / 2;
  }
  if (!options.json && !rows->empty()) std::cout << table_header(style) << '\n';
  for (const auto& row : *rows) {
    if (auto status = print(**store, row, options, style); !status)
      return fail(status.error().message);
  }
  if (!options.json && rows->empty())
    std::cerr << "no calls" << (options.filter.empty() ? "" : " match") << '\n';
  return 0;
}

int tail(const StoreOptions& options) {
  auto filter = filter_of(options);
  if (!filter) return fail(filter.error().message);
  auto store = open_store(options);
  if (!store) return fail(store.error().message);
  const auto& stop = stop_on_signals();
  std::signal(SIGPIPE, SIG_DFL);  // who reads us has gone: so do we
  const TableStyle style = style_of(options);
  if (!options.json) std::cout << table_header(style) << std::endl;
  auto seq = (*store)->last_seq();
  if (!seq) return fail(seq.error().message);
  constexpr std::chrono::milliseconds kPoll{200};
  constexpr std::size_t kAtOnce = 1000;
  while (!stop && std::cout) {
    auto rows = (*store)->arrived_after(*seq, *filter, kAtOnce);
    if (!rows) return fail(rows.error().message);
    for (const auto& row : *rows) {
      *seq = row.seq;
      if (auto status = print(**store, row, options, style); !status)
        return fail(status.error().message);
    }
    std::cout.flush();
    if (rows->size() < kAtOnce) std::this_thread::sleep_for(kPoll);
  }
  return 0;
}

}  // namespace

void add_calls(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<CallsOptions>();
  auto* sub = app.add_subcommand("calls", "List calls from the store, newest first");
  add_store_options(*sub, *options);
  sub->add_option("-n,--limit", options->limit, "How many")->capture_default_str();
  sub->footer(std::string(kCallsExamples) + '\n' + kFilterHelp);
  sub->callback([sub, options, &chosen] {
    take_negations(*sub, *options);
    chosen = [options] { return calls(*options); };
  });
}

void add_tail(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<StoreOptions>();
  auto* sub = app.add_subcommand("tail", "Show calls as they finish");
  add_store_options(*sub, *options);
  sub->remove_option(sub->get_option("--since"));  // everything is to come
  sub->footer(std::string(kTailExamples) + '\n' + kFilterHelp);
  sub->callback([sub, options, &chosen] {
    take_negations(*sub, *options);
    chosen = [options] { return tail(*options); };
  });
}

}  // namespace llmtap
