// SPDX-License-Identifier: Apache-2.0
//
// What the commands that read the store have in common: which store, which calls, how to show them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "parsers/core/result.h"
#include "userspace/store/filter.h"
#include "userspace/store/reader.h"

namespace CLI {
class App;
}

namespace llmtap {

struct StoreOptions {
  std::string config;
  std::string db;
  std::vector<std::string> filter;
  std::string since;
  bool json = false;
  bool utc = false;
};

void add_store_options(CLI::App& sub, StoreOptions& options);
// "-finish:stop" looks like an option and is none. To be called when the command was parsed.
void take_negations(const CLI::App& sub, StoreOptions& options);

// Of --db, else of the configuration file; variables of exporters do not concern it.
Result<std::unique_ptr<StoreReader>> open_store(const StoreOptions& options);
Result<Filter> filter_of(const StoreOptions& options);
// Unix us of `ago` before now ("15m", "4h", "7d"); the Error names --since.
Result<std::int64_t> since_us(const std::string& ago);

extern const char* const kFilterHelp;

}  // namespace llmtap
