// SPDX-License-Identifier: Apache-2.0
//
// The store, reading side. Read-only; works while the daemon writes and after it was killed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "parsers/core/result.h"
#include "userspace/base/call_summary.h"
#include "userspace/store/filter.h"
#include "userspace/store/rollup.h"

namespace llmtap {

struct CallQuery {
  Filter filter;
  std::optional<std::int64_t> from_us, to_us;  // start of the call, [from, to)
  std::optional<std::int64_t> before_id;       // cursor: older than this call
  std::size_t limit = 100;
};

struct CallRow {
  std::int64_t id = 0;   // start in us, nearly
  std::int64_t seq = 0;  // order of arrival; only from arrived_after()
  CallSummary summary;   // without the vendor's ids
  std::string preview_input, preview_output;
};

// Sums over a range, by provider, model, service and class of error as far as asked for.
struct RollupQuery {
  Filter filter = {};  // service, provider, model, error, status:ok and status:error only
  std::int64_t from_us = 0, to_us = 0;  // whole minutes or hours that begin in [from, to)
  bool by_provider = true, by_model = true, by_service = false, by_error = false;
};

struct RollupRow {
  std::string provider, model, service, error;  // empty where not asked for; error: also none
  Rollup sums;
};

// Belongs to one thread.
class StoreReader {
 public:
  static Result<std::unique_ptr<StoreReader>> open(const std::string& path);
  ~StoreReader();

  // Newest first.
  Result<std::vector<CallRow>> calls(const CallQuery& query) const;
  // What was stored after `seq`, in that order; for live views.
  Result<std::vector<CallRow>> arrived_after(std::int64_t seq, const Filter& filter,
                                             std::size_t limit) const;
  Result<std::int64_t> last_seq() const;
  // Most calls first. Up to kMinuteRange by minutes, beyond by hours.
  Result<std::vector<RollupRow>> rollup(const RollupQuery& query) const;
  static constexpr std::int64_t kMinuteRangeUs = 6 * std::int64_t{3'600'000'000};
  // The whole record as JSON text (sinks/record_json.h), absent if there is no such call.
  Result<std::optional<std::string>> record(std::int64_t id) const;

 private:
  struct State;
  explicit StoreReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace llmtap
