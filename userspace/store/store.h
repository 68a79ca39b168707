// SPDX-License-Identifier: Apache-2.0
//
// The embedded store, writing side: one SQLite database in WAL mode, one writer. Readers (reader.h)
// work beside it, from other processes too. Survives kill -9: a call is in or it is not.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "parsers/core/result.h"
#include "userspace/base/call_summary.h"

namespace llmtap {

// One message, tool or document.
struct StoredBlock {
  std::string json;    // stored once per content
  std::string search;  // text to find it by
};

struct StoredCall {
  CallSummary summary;
  std::string record_id;
  std::string detail;  // JSON object; its lists of blocks are replaced by their lengths
  std::vector<StoredBlock> blocks;
  std::string preview_input, preview_output;
};

struct Retention {
  std::chrono::hours keep{24 * 30};
  std::uint64_t max_bytes = std::uint64_t{8} << 30;
};

// Belongs to one thread.
class Store {
 public:
  static constexpr std::size_t kSearchBytes = 32 << 10;  // of each block

  // Creates the file (0600) and its directory (0700), migrates an older layout.
  static Result<std::unique_ptr<Store>> open(const std::string& path);
  ~Store();

  // All or none. A call whose record_id is there already is left out: inserting again is safe.
  Status insert(std::span<const StoredCall> calls);
  // Deletes what is too old or too much, a small piece at a time: true if there is more to do.
  Result<bool> retain(const Retention& retention, TimeNs now_ns);

 private:
  struct State;
  explicit Store(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace llmtap
