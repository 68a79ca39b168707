// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/store_options.h"

#include <CLI/CLI.hpp>
#include <chrono>

#include "userspace/app/config.h"
#include "userspace/app/config_values.h"
#include "userspace/base/clock.h"

namespace llmtap {

const char* const kFilterHelp = R"(Filter:
  service:shop provider:openai model:gpt-* status:error duration:>2s
  cost:>=0.01 -finish:stop "exact words" word
  Space is AND, a comma OR, a leading minus NOT, * any text.
  Words search prompts, answers and tools.
  Fields: service provider model requested operation dialect host process
  session finish error error_type end status duration ttft cost input output
  cached reasoning pid stream server id response request text)";

void add_store_options(CLI::App& sub, StoreOptions& options) {
  sub.add_option("filter", options.filter, "Which calls; see below")->type_name("FILTER");
  sub.add_option("--since", options.since, "Only the last 15m, 4h, 7d, ...")->type_name("TIME");
  sub.add_flag("--json", options.json, "One JSON object per line");
  sub.add_flag("--utc", options.utc, "Times in UTC");
  sub.add_option("--db", options.db, "The store (default: as configured)")->type_name("FILE");
  sub.add_option("-c,--config", options.config, "YAML file")->type_name("FILE");
  sub.allow_extras();
}

void take_negations(const CLI::App& sub, StoreOptions& options) {
  for (const auto& word : sub.remaining()) {
    if (word.starts_with("--")) throw CLI::ExtrasError({word});
    options.filter.push_back(word);
  }
}

Result<std::unique_ptr<StoreReader>> open_store(const StoreOptions& options) {
  if (!options.db.empty()) return StoreReader::open(options.db);
  auto config = load_config_file(options.config);
  if (!config) return config.error();
  return StoreReader::open(config->store.path);
}

Result<Filter> filter_of(const StoreOptions& options) {
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

Result<std::int64_t> since_us(const std::string& ago) {
  const auto ms = parse_milliseconds(ago);
  if (!ms) return Error{"--since: expected a time such as 15m, 4h or 7d, got '" + ago + "'"};
  return static_cast<std::int64_t>(unix_ns() / 1000) - std::chrono::microseconds(*ms).count();
}

}  // namespace llmtap
