// SPDX-License-Identifier: Apache-2.0
#include "userspace/store/schema.h"

#include <array>

#include "userspace/store/rollup.h"

namespace llmtap {
namespace {

// Step i leads from version i to version i + 1. Steps are never changed once released.
struct Step {
  const char* sql;
  Status (*fill)(Database&);  // derives what is new from what is there; may be null
};
constexpr std::array<Step, kSchemaVersion> kSteps = {
    Step{R"(
-- Texts that repeat in every call, once.
CREATE TABLE name(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);

-- Narrow: what lists, filters and aggregates read. Texts are ids of `name`.
CREATE TABLE call(
  id INTEGER PRIMARY KEY,        -- start in Unix us, the next free one if taken
  service INTEGER NOT NULL, provider INTEGER NOT NULL, model INTEGER NOT NULL,
  model_requested INTEGER NOT NULL, operation INTEGER NOT NULL, dialect INTEGER NOT NULL,
  host INTEGER NOT NULL, process INTEGER NOT NULL, pid INTEGER NOT NULL,
  session INTEGER, run INTEGER, cluster INTEGER,
  http_status INTEGER, error_class INTEGER, error_type INTEGER, finish INTEGER, ended INTEGER NOT NULL,
  flags INTEGER NOT NULL, duration_us INTEGER NOT NULL, ttft_us INTEGER,
  input INTEGER, cache_read INTEGER, cache_write INTEGER, output INTEGER, reasoning INTEGER,
  cost_nano INTEGER              -- USD * 1e9
);
CREATE INDEX call_service ON call(service, model, id);
CREATE INDEX call_model ON call(model, id);
CREATE INDEX call_session ON call(session, id) WHERE session IS NOT NULL;
CREATE INDEX call_run ON call(run, id) WHERE run IS NOT NULL;
CREATE INDEX call_cluster ON call(cluster, id) WHERE cluster IS NOT NULL;
CREATE INDEX call_error ON call(error_class, id) WHERE error_class IS NOT NULL;

-- Both sides in short, for lists.
CREATE TABLE preview(call INTEGER PRIMARY KEY, input TEXT NOT NULL, output TEXT NOT NULL);

-- Everything else of the record: JSON, zstd. `seq` is the order of arrival.
CREATE TABLE detail(
  seq INTEGER PRIMARY KEY AUTOINCREMENT, call INTEGER NOT NULL UNIQUE,
  record_id TEXT NOT NULL UNIQUE, response_id TEXT, request_id TEXT, body BLOB NOT NULL
);
CREATE INDEX detail_response ON detail(response_id) WHERE response_id IS NOT NULL;
CREATE INDEX detail_request ON detail(request_id) WHERE request_id IS NOT NULL;

-- Messages, tools and documents by content: an agent resends its history with every call.
CREATE TABLE block(
  id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE,
  day INTEGER NOT NULL,          -- last day on which a call had it: also its search table
  body BLOB NOT NULL             -- JSON, zstd
);
CREATE INDEX block_day ON block(day);
CREATE TABLE call_block(
  call INTEGER NOT NULL, position INTEGER NOT NULL, block INTEGER NOT NULL,
  PRIMARY KEY(call, position)
) WITHOUT ROWID;
CREATE INDEX call_block_block ON call_block(block);
)",
         nullptr},
    Step{R"(
-- Per minute and hour, by what people compare; see rollup.h. Texts are ids of `name`; error 0: none.
CREATE TABLE rollup(
  tier INTEGER NOT NULL, start INTEGER NOT NULL,  -- seconds; Unix s
  provider INTEGER NOT NULL, model INTEGER NOT NULL, service INTEGER NOT NULL, error INTEGER NOT NULL,
  calls INTEGER NOT NULL, input INTEGER NOT NULL, output INTEGER NOT NULL,
  cache_read INTEGER NOT NULL, cost_nano INTEGER NOT NULL,
  duration BLOB NOT NULL, ttft BLOB NOT NULL,     -- sketches, us
  PRIMARY KEY(tier, start, provider, model, service, error)
) WITHOUT ROWID;
)",
         fill_rollups},
};

Status apply(Database& database, const Step& step, std::int64_t version) {
  if (auto status = database.execute(std::string("BEGIN IMMEDIATE;") + step.sql); !status)
    return status;
  if (step.fill != nullptr) {
    if (auto status = step.fill(database); !status) return status;
  }
  return database.execute("PRAGMA user_version = " + std::to_string(version) + "; COMMIT;");
}

}  // namespace

Status migrate(Database& database) {
  auto version = database.number("PRAGMA user_version");
  if (!version) return version.error();
  const auto present = (*version).value_or(0);
  if (present > kSchemaVersion) {
    return Error{"the store was written by a newer llmtap (layout " + std::to_string(present) +
                 ")"};
  }
  for (auto step = present; step < kSchemaVersion; ++step) {
    if (auto status = apply(database, kSteps[static_cast<std::size_t>(step)], step + 1); !status) {
      static_cast<void>(database.execute("ROLLBACK"));
      return Error{"layout " + std::to_string(step + 1) + ": " + status.error().message};
    }
  }
  return Unit{};
}

std::vector<std::int64_t> search_days(const Database& database) {
  std::vector<std::int64_t> days;
  auto tables = database.prepare(
      "SELECT substr(name, 8) FROM sqlite_master WHERE type = 'table' AND name GLOB 'search_[0-9]*'"
      " AND name NOT GLOB 'search_*_*'");
  if (!tables) return days;
  while (tables->step() == SQLITE_ROW) days.push_back(tables->integer(0));
  return days;
}

std::string search_table(std::int64_t day) { return "search_" + std::to_string(day); }

}  // namespace llmtap
