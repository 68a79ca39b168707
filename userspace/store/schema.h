// SPDX-License-Identifier: Apache-2.0
//
// The layout of the store and how an older one becomes the present one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "userspace/store/sqlite.h"

namespace llmtap {

// Version of the present layout, in PRAGMA user_version.
inline constexpr int kSchemaVersion = 2;

// Brings the database to kSchemaVersion, one step per transaction. A newer one is refused.
Status migrate(Database& database);

// Flags of a call, column `flags`.
inline constexpr std::int64_t kFlagStreamed = 1;
inline constexpr std::int64_t kFlagPartial = 2;
inline constexpr std::int64_t kFlagServerEnd = 4;
inline constexpr std::int64_t kFlagEstimated = 8;  // token counts

// One full-text table per day of first sight: retention drops whole tables.
std::string search_table(std::int64_t day);  // "search_20666": days since 1970-01-01 UTC
inline constexpr std::int64_t kDayUs = 86'400'000'000;
std::vector<std::int64_t> search_days(const Database& database);  // days that have one

}  // namespace llmtap
