// SPDX-License-Identifier: Apache-2.0
//
// What `usage` shows: sums, latency and rate limits by provider, model, ... Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "parsers/core/call_record.h"
#include "userspace/store/reader.h"

namespace llmtap {

struct UsageRow {
  std::string provider, model, service, error;  // empty where not asked for
  std::uint64_t errors = 0;
  Rollup sums;  // of all calls; the times are those of calls without an error, which tell nothing
  std::optional<RateLimit> limit;  // the tightest one that the provider's last answer told of
};

struct UsageBy {
  bool provider = true, model = true, service = false, error = false;
};
// "provider,model"; the Error says what there is.
Result<UsageBy> parse_usage_by(const std::string& text);

// `rows` by error as well, of which each becomes part of its group. Most calls first.
std::vector<UsageRow> group_usage(const std::vector<RollupRow>& rows, const UsageBy& by);

// What is left of it, 0..1; absent where limit or rest is not told.
std::optional<double> share_left(const RateLimit& limit);
// Of the limits in a record as JSON (sinks/record_json.h) the one of which least is left, but for
// those that were full again `age_s` after the record.
std::optional<RateLimit> tightest_limit(const std::string& record, double age_s);

struct UsageStyle {
  bool color = false;
  std::size_t columns = 120;
};
std::string usage_text(const std::vector<UsageRow>& rows, const UsageBy& by,
                       const UsageStyle& style);
// One object per line.
std::string usage_json(const std::vector<UsageRow>& rows, const UsageBy& by);

}  // namespace llmtap
