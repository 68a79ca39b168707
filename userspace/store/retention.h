// SPDX-License-Identifier: Apache-2.0
//
// Deleting what is too old, a piece at a time: readers and the writer hardly wait.
#pragma once

#include <cstdint>
#include <optional>

#include "userspace/store/sqlite.h"

namespace llmtap {

// Bytes of pages that hold something.
Result<std::uint64_t> used_bytes(const Database& database);

// Where the calls begin that stay when a piece goes: of few but great ones, a quarter. Absent where
// there is but one.
Result<std::optional<std::int64_t>> edge_of_oldest(const Database& database);

// A piece of the calls that began before `id` (their id is their start) with the blocks that no
// later call has, in one transaction. Texts to search go with the day (Store::retain).
Status delete_calls_before(Database& database, std::int64_t id);

// Names of no call and no rollup: sessions come and go. Reads every call, so once a day is enough.
Status delete_unused_names(Database& database);

// Minutes older than kMinutesKept, hours older than the retention of calls.
Status retain_rollups(Database& database, std::int64_t now_s, std::int64_t keep_s);

}  // namespace llmtap
