// SPDX-License-Identifier: Apache-2.0
#include "userspace/store/retention.h"

#include <string>

#include "userspace/store/rollup.h"

namespace llmtap {

Status delete_calls_before(Database& db, std::int64_t id, std::int64_t most) {
  const std::string old = "(SELECT id FROM call WHERE id < " + std::to_string(id) +
                          " ORDER BY id LIMIT " + std::to_string(most) + ')';
  const std::string sql =
      "BEGIN IMMEDIATE;"
      "DELETE FROM preview WHERE call IN " +
      old + ';' + "DELETE FROM detail WHERE call IN " + old + ';' +
      "DELETE FROM call_block WHERE call IN " + old + ';' + "DELETE FROM call WHERE id IN " + old +
      ";COMMIT";
  auto status = db.execute(sql);
  if (!status) static_cast<void>(db.execute("ROLLBACK"));
  return status;
}

Status retain_rollups(Database& database, std::int64_t now_s, std::int64_t keep_s) {
  struct Tier {
    std::int64_t tier, cutoff, piece;
  };
  for (const auto& [tier, cutoff, piece] : {Tier{kMinuteTier, now_s - kMinutesKept, 2 * 3600},
                                            Tier{kHourTier, now_s - keep_s, 86400}}) {
    const std::string of = " FROM rollup WHERE tier = " + std::to_string(tier);
    auto status =
        database.execute("DELETE" + of + " AND start < min(" + std::to_string(cutoff) +
                         ", (SELECT min(start)" + of + ") + " + std::to_string(piece) + ')');
    if (!status) return status;
  }
  return Unit{};
}

}  // namespace llmtap
