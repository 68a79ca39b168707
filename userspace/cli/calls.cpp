// SPDX-License-Identifier: Apache-2.0
//
// `calls` (what is in the store) and `tail` (what comes into it).
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <thread>

#include "userspace/app/config.h"
#include "userspace/app/config_values.h"
#include "userspace/base/clock.h"
#include "userspace/cli/commands.h"
#include "userspace/cli/stop_signal.h"
#include "userspace/sinks/terminal_table.h"
#include "userspace/store/reader.h"

namespace llmtap {
namespace {

struct CallsOptions {
  std::string config;
  std::string db;
  std::vector<std::string> filter;
  std::string since;
  std::size_t limit = 50;
  bool json = false;
  bool utc = false;
};

constexpr const char* kFilterHelp = R"(Filter:
  service:shop provider:openai model:gpt-* status:error duration:>2s cost:>=0.01
  -finish:stop "exact words" word
  Space is AND, a comma OR, a leading minus NOT, * any text. Words search prompts, answers, tools.
  Fields: service provider model requested operation dialect host process session finish error
  error_type end status duration ttft cost input output cached reasoning pid stream server id
  response request text)";

constexpr const char* kCallsExamples = R"(Examples:
  llmtap calls                               the newest 50
  llmtap calls --since 1h status:error       what failed in the last hour
  llmtap calls duration:'>5s' model:gpt-4*   slow ones (quote > for the shell)
  llmtap calls --json id:18c2... | jq .      whole records, one JSON object per line
)";

constexpr const char* kTailExamples = R"(Examples:
  llmtap tail                                every call as it finishes
  llmtap tail provider:anthropic status:error
  llmtap tail --json | jq -r .model_served
)";

Result<std::unique_ptr<StoreReader>> open_store(const CallsOptions& options) {
  std::string path = options.db;
  if (path.empty()) {
    auto config = load_config(options.config, process_environment());
    if (!config) return config.error();
    path = config->store.path;
  }
  return StoreReader::open(path);
}

Result<Filter> filter_of(const CallsOptions& options) {
  std::string text;
  for (const auto& word : options.filter) {
    if (!text.empty()) text += ' ';
    // The shell has taken the quotes away; a word with blanks was one phrase.
    const bool phrase = word.find(' ') != std::string::npos &&
                        word.find(':') == std::string::npos && word.find('"') == std::string::npos;
    text += phrase ? '"' + word + '"' : word;
  }
  auto filter = parse_filter(text);
  if (!filter) return Error{"filter: " + filter.error().message};
  return filter;
}

TableStyle style_of(const CallsOptions& options) {
  TableStyle style;
  style.utc = options.utc;
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  style.color = terminal && std::getenv("NO_COLOR") == nullptr;
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    style.columns = size.ws_col;
  } else if (!terminal) {
    style.columns = 160;
  }
  return style;
}

Status print(const StoreReader& store, const CallRow& row, const CallsOptions& options,
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
    auto ago = parse_milliseconds(options.since);
    auto hours = parse_hours(options.since);
    if (!ago && !hours)
      return fail("--since: expected a time such as 15m, 4h or 7d, got '" + options.since + "'");
    const auto us =
        std::chrono::duration_cast<std::chrono::microseconds>(ago ? *ago : *hours).count();
    query.from_us = static_cast<std::int64_t>(unix_ns() / 1000) - us;
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

int tail(const CallsOptions& options) {
  auto filter = filter_of(options);
  if (!filter) return fail(filter.error().message);
  auto store = open_store(options);
  if (!store) return fail(store.error().message);
  const auto& stop = stop_on_signals();
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

void add_common(CLI::App& sub, CallsOptions& options) {
  sub.add_option("filter", options.filter, "Which calls; see below")->type_name("FILTER");
  sub.add_flag("--json", options.json, "Whole records, one JSON object per line");
  sub.add_flag("--utc", options.utc, "Times in UTC");
  sub.add_option("--db", options.db, "The store (default: as configured)")->type_name("FILE");
  sub.add_option("--config", options.config, "YAML file")->type_name("FILE");
  sub.allow_extras();  // "-finish:stop" looks like an option and is none
}

void take_negations(const CLI::App& sub, CallsOptions& options) {
  for (const auto& word : sub.remaining()) {
    if (word.starts_with("--")) throw CLI::ExtrasError({word});
    options.filter.push_back(word);
  }
}

}  // namespace

void add_calls(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<CallsOptions>();
  auto* sub = app.add_subcommand("calls", "List calls from the store, newest first");
  add_common(*sub, *options);
  sub->add_option("--since", options->since, "Only the last 15m, 4h, 7d, ...")->type_name("TIME");
  sub->add_option("-n,--limit", options->limit, "How many")->capture_default_str();
  sub->footer(std::string(kCallsExamples) + '\n' + kFilterHelp);
  sub->callback([sub, options, &chosen] {
    take_negations(*sub, *options);
    chosen = [options] { return calls(*options); };
  });
}

void add_tail(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<CallsOptions>();
  auto* sub = app.add_subcommand("tail", "Show calls as they finish");
  add_common(*sub, *options);
  sub->footer(std::string(kTailExamples) + '\n' + kFilterHelp);
  sub->callback([sub, options, &chosen] {
    take_negations(*sub, *options);
    chosen = [options] { return tail(*options); };
  });
}

}  // namespace llmtap
