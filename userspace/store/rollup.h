// SPDX-License-Identifier: Apache-2.0
//
// Sums and distributions per minute and per hour, by provider, model, service and class of error:
// what overviews and percentiles read instead of the calls. Written in the transaction of the calls
// that they count, so both always agree.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>

#include "userspace/store/sketch.h"
#include "userspace/store/sqlite.h"

namespace llmtap {

inline constexpr std::int64_t kMinuteTier = 60;  // a tier is named by its seconds
inline constexpr std::int64_t kHourTier = 3600;
inline constexpr std::int64_t kMinutesKept = 48 * 3600;  // seconds; hours stay as long as calls

// Names as ids of table `name`; error 0: none.
struct RollupKey {
  std::int64_t tier = 0, start = 0;  // Unix s
  std::int64_t provider = 0, model = 0, service = 0, error = 0;

  auto operator<=>(const RollupKey&) const = default;
};

struct Rollup {
  std::uint64_t calls = 0;
  std::uint64_t input = 0, output = 0, cache_read = 0;  // tokens, where known
  std::int64_t cost_nano = 0;                           // likewise
  Sketch duration, ttft;

  void merge(const Rollup& other);
};

// What a call adds.
struct RolledCall {
  std::int64_t start_us = 0;
  std::int64_t provider = 0, model = 0, service = 0, error = 0;
  std::int64_t duration_us = 0;
  std::optional<std::int64_t> ttft_us, input, output, cache_read, cost_nano;
};

// Collects calls, then adds them to the table.
class RollupBatch {
 public:
  // `tiers` that are asked for; a fill of old calls leaves minutes out.
  void add(const RolledCall& call, bool minutes = true);
  void clear() { rows_.clear(); }
  // Within the caller's transaction; empty afterwards.
  Status write(Database& database);

 private:
  std::map<RollupKey, Rollup> rows_;
};

// The rollups of the calls that a store of an older layout holds. Within the caller's transaction.
Status fill_rollups(Database& database);

}  // namespace llmtap
