// SPDX-License-Identifier: Apache-2.0
//
// Deleting what is too old, a piece at a time: readers and the writer hardly wait.
#pragma once

#include <cstdint>

#include "userspace/store/sqlite.h"

namespace llmtap {

// The oldest `most` calls that began before `id` (their id is their start), in one transaction.
// Their blocks and texts to search go with the day (Store::retain).
Status delete_calls_before(Database& database, std::int64_t id, std::int64_t most);

// Minutes older than kMinutesKept, hours older than the retention of calls.
Status retain_rollups(Database& database, std::int64_t now_s, std::int64_t keep_s);

}  // namespace llmtap
