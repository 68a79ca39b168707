// SPDX-License-Identifier: Apache-2.0
#include "userspace/store/retention.h"

#include <string>
#include <vector>

#include "userspace/store/rollup.h"

namespace llmtap {
namespace {

constexpr std::int64_t kPiece = 500;

}  // namespace

Result<std::uint64_t> used_bytes(const Database& db) {
  const auto pages = db.number("PRAGMA page_count");
  const auto free_pages = db.number("PRAGMA freelist_count");
  const auto page = db.number("PRAGMA page_size");
  if (!pages || !free_pages || !page) return Error{"the size of the store cannot be read"};
  return static_cast<std::uint64_t>(((*pages).value_or(0) - (*free_pages).value_or(0)) *
                                    (*page).value_or(0));
}

Result<std::optional<std::int64_t>> edge_of_oldest(const Database& db) {
  const std::string at = "SELECT id FROM call ORDER BY id LIMIT 1 OFFSET ";
  auto edge = db.number(at + std::to_string(kPiece));
  if (!edge || *edge) return edge;
  return db.number(at + "(SELECT max(1, count(*) / 4) FROM call)");
}

Status delete_calls_before(Database& db, std::int64_t id) {
  auto newest =
      db.number("SELECT max(id) FROM (SELECT id FROM call WHERE id < " + std::to_string(id) +
                " ORDER BY id LIMIT " + std::to_string(kPiece) + ')');
  if (!newest) return newest.error();
  if (!*newest) return Unit{};
  const std::string last = std::to_string(**newest);
  // The newest block stays: rows of the texts to search have ids of blocks, and SQLite would give
  // the highest one again.
  const std::string sql =
      "BEGIN IMMEDIATE;"
      "DELETE FROM preview WHERE call <= " +
      last + ";DELETE FROM detail WHERE call <= " + last +
      ";DELETE FROM block WHERE id IN (SELECT block FROM call_block WHERE call <= " + last +
      ") AND id < (SELECT max(id) FROM block) AND NOT EXISTS (SELECT 1 FROM call_block AS later"
      " WHERE later.block = block.id AND later.call > " +
      last + ");DELETE FROM call_block WHERE call <= " + last +
      ";DELETE FROM call WHERE id <= " + last + ";COMMIT";
  auto status = db.execute(sql);
  if (!status) static_cast<void>(db.execute("ROLLBACK"));
  return status;
}

Status delete_unused_names(Database& db) {
  std::vector<bool> used;
  // Every column that holds ids of names, of the two tables that do.
  for (const char* columns : {"service, provider, model, model_requested, operation, dialect, "
                              "host, process, session, run,"
                              " cluster, error_class, error_type, finish, ended FROM call",
                              "provider, model, service, error FROM rollup"}) {
    auto rows = db.prepare(std::string("SELECT ") + columns);
    if (!rows) return rows.error();
    int code = SQLITE_ROW;
    while ((code = rows->step()) == SQLITE_ROW) {
      for (int column = 0; column < rows->columns(); ++column) {
        const auto id = static_cast<std::size_t>(rows->integer(column));  // NULL: 0, no name
        if (id >= used.size()) used.resize(id + 1);
        used[id] = true;
      }
    }
    if (code != SQLITE_DONE) return Error{db.error()};
  }
  std::string unused;
  auto names = db.prepare("SELECT id FROM name");
  if (!names) return names.error();
  while (names->step() == SQLITE_ROW) {
    const auto id = static_cast<std::size_t>(names->integer(0));
    if (id < used.size() && used[id]) continue;
    unused += (unused.empty() ? "" : ",") + std::to_string(id);
  }
  if (unused.empty()) return Unit{};
  names->reset();
  return db.execute("DELETE FROM name WHERE id IN (" + unused + ")");
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
