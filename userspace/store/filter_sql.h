// SPDX-License-Identifier: Apache-2.0
//
// Filter → SQL over the store. Values are always bound, never spliced in.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "userspace/store/filter.h"
#include "userspace/store/sqlite.h"

namespace llmtap {

using SqlValue = std::variant<std::int64_t, double, std::string>;

struct SqlCondition {
  std::string where;  // over `call`; "1" if the filter is empty
  std::vector<SqlValue> values;

  void bind(Statement& statement) const;
};

// `search_days`: the full-text tables that exist and may hold hits.
SqlCondition filter_sql(const Filter& filter, const std::vector<std::int64_t>& search_days);

}  // namespace llmtap
