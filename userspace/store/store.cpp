// SPDX-License-Identifier: Apache-2.0
#include "userspace/store/store.h"

#include <openssl/sha.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "userspace/store/call_columns.h"
#include "userspace/store/compression.h"
#include "userspace/store/retention.h"
#include "userspace/store/rollup.h"
#include "userspace/store/schema.h"
#include "userspace/store/search_text.h"
#include "userspace/store/sqlite.h"

namespace llmtap {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kHashBytes = 16;

std::string content_hash(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  ::SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return {reinterpret_cast<const char*>(digest.data()), kHashBytes};
}

constexpr const char* kInsertCall =
    "INSERT INTO call(id, service, provider, model, model_requested, operation, dialect, host, "
    "process, pid,"
    " session, http_status, error_class, error_type, finish, ended, flags, duration_us, ttft_us,"
    " input, cache_read, cache_write, output, reasoning, cost_nano)"
    " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";

}  // namespace

struct Store::State {
  Database db;
  std::unordered_map<std::string, Statement> statements;  // by their SQL
  std::unordered_map<std::string, std::int64_t> names;    // a cache, cut when it grows
  std::set<std::int64_t> search_days;                     // tables that exist
  RollupBatch rollups;                                    // of the running transaction

  explicit State(Database database) : db(std::move(database)) {}

  // A prepared statement, reset. The SQL is a constant of this file: failing is a broken database.
  Result<Statement*> statement(const std::string& sql);
  Result<std::int64_t> name_id(const std::string& text);
  Result<std::optional<std::int64_t>> optional_name(const std::string& text);
  Result<bool> known(const std::string& record_id);
  Status insert(const StoredCall& call);
  Result<std::int64_t> free_id(std::int64_t id);
  Status insert_row(std::int64_t id, const CallSummary& call);
  Status insert_texts(std::int64_t id, const StoredCall& call);
  Result<std::int64_t> block_id(const StoredBlock& block, std::int64_t day);
  Status index_block(std::int64_t block, const std::string& search, std::int64_t day);
  Result<bool> drop_search_before(std::int64_t day);
  Status drop_days_before(std::int64_t day);
  void roll_back();
  void read_search_days();
};

Store::Store(std::unique_ptr<State> state) : state_(std::move(state)) {}
Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(const std::string& path) {
  const fs::path directory = fs::path(path).parent_path();
  std::error_code error;
  if (!directory.empty() && !fs::exists(directory, error)) {
    fs::create_directories(directory, error);
    if (!error) fs::permissions(directory, fs::perms::owner_all, error);
    if (error) return Error{directory.string() + ": " + error.message()};
  }
  const mode_t before = ::umask(0077);  // also for the -wal and -shm files
  auto db = Database::open(path, Database::Mode::kCreate);
  Status status = db ? Status(Unit{}) : Status(db.error());
  if (status) {
    status = db->execute(
        "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;"
        "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16384;"
        // What one great transaction made of the log is given back.
        "PRAGMA journal_size_limit = 67108864;");
  }
  if (status) status = migrate(*db);
  ::umask(before);
  if (!status) return Error{"store " + path + ": " + status.error().message};

  auto state = std::make_unique<State>(std::move(*db));
  state->read_search_days();
  return std::unique_ptr<Store>(new Store(std::move(state)));
}

Status Store::insert(std::span<const StoredCall> calls) {
  if (auto status = state_->db.execute("BEGIN IMMEDIATE"); !status) return status;
  Status status = Unit{};
  for (const auto& call : calls) {
    if (status = state_->insert(call); !status) break;
  }
  if (status) status = state_->rollups.write(state_->db);
  if (status) status = state_->db.execute("COMMIT");
  if (!status) state_->roll_back();
  return status;
}

// Also forgets what was remembered of the database: names and tables that are gone again.
void Store::State::roll_back() {
  static_cast<void>(db.execute("ROLLBACK"));
  rollups.clear();
  names.clear();
  statements.clear();
  read_search_days();
}

void Store::State::read_search_days() {
  const auto days = llmtap::search_days(db);
  search_days = {days.begin(), days.end()};
}

Result<Statement*> Store::State::statement(const std::string& sql) {
  auto found = statements.find(sql);
  if (found == statements.end()) {
    auto prepared = db.prepare(sql);
    if (!prepared) return prepared.error();
    found = statements.emplace(sql, std::move(*prepared)).first;
  }
  found->second.reset();
  return &found->second;
}

Result<std::int64_t> Store::State::name_id(const std::string& text) {
  if (const auto cached = names.find(text); cached != names.end()) return cached->second;
  constexpr std::size_t kCached = 4096;
  if (names.size() >= kCached) names.clear();
  auto select = statement("SELECT id FROM name WHERE text = ?");
  if (!select) return select.error();
  (*select)->bind(std::string_view(text));
  std::int64_t id = 0;
  if ((*select)->step() == SQLITE_ROW) {
    id = (*select)->integer(0);
    (*select)->reset();
  } else {
    auto insert = statement("INSERT INTO name(text) VALUES(?)");
    if (!insert) return insert.error();
    (*insert)->bind(std::string_view(text));
    if (auto status = db.run(**insert); !status) return status.error();
    id = db.last_id();
  }
  names.emplace(text, id);
  return id;
}

Result<std::optional<std::int64_t>> Store::State::optional_name(const std::string& text) {
  if (text.empty()) return std::optional<std::int64_t>{};
  auto id = name_id(text);
  if (!id) return id.error();
  return std::optional<std::int64_t>(*id);
}

Result<bool> Store::State::known(const std::string& record_id) {
  auto select = statement("SELECT 1 FROM detail WHERE record_id = ?");
  if (!select) return select.error();
  (*select)->bind(std::string_view(record_id));
  const bool found = (*select)->step() == SQLITE_ROW;
  (*select)->reset();
  return found;
}

Result<std::int64_t> Store::State::free_id(std::int64_t id) {
  auto select = statement("SELECT 1 FROM call WHERE id = ?");
  if (!select) return select.error();
  for (;; ++id) {
    (*select)->reset();
    (*select)->bind(id);
    if ((*select)->step() != SQLITE_ROW) break;
  }
  (*select)->reset();
  return id;
}

Status Store::State::insert(const StoredCall& call) {
  auto there = known(call.record_id);
  if (!there) return there.error();
  if (*there) return Unit{};
  auto id = free_id(to_us(call.summary.start_ns));
  if (!id) return id.error();
  if (auto status = insert_row(*id, call.summary); !status) return status;
  return insert_texts(*id, call);
}

Status Store::State::insert_row(std::int64_t id, const CallSummary& call) {
  std::array<std::int64_t, 8> required{};
  const std::array<const std::string*, 8> texts = {
      &call.service,   &call.provider, &call.model, &call.model_requested,
      &call.operation, &call.dialect,  &call.host,  &call.process};
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto name = name_id(*texts[i]);
    if (!name) return name.error();
    required[i] = *name;
  }
  std::array<std::optional<std::int64_t>, 4> optional{};
  const std::array<const std::string*, 4> optional_texts = {&call.session, &call.error_class,
                                                            &call.error_type, &call.finish_reason};
  for (std::size_t i = 0; i < optional_texts.size(); ++i) {
    auto name = optional_name(*optional_texts[i]);
    if (!name) return name.error();
    optional[i] = *name;
  }
  auto ended = name_id(call.end);
  if (!ended) return ended.error();

  auto insert = statement(kInsertCall);
  if (!insert) return insert.error();
  Statement& row = **insert;
  row.bind(id);
  for (const auto name : required) row.bind(name);
  row.bind(static_cast<std::int64_t>(call.pid));
  row.bind(optional[0]);
  row.bind(call.http_status ? std::optional<std::int64_t>(*call.http_status) : std::nullopt);
  row.bind(optional[1]).bind(optional[2]).bind(optional[3]).bind(*ended).bind(flags_of(call));
  row.bind(to_us(call.duration_ns));
  row.bind(call.ttft_ns ? std::optional<std::int64_t>(to_us(*call.ttft_ns)) : std::nullopt);
  row.bind(count(call.input_tokens)).bind(count(call.cache_read_tokens));
  row.bind(count(call.cache_write_tokens)).bind(count(call.output_tokens));
  row.bind(count(call.reasoning_tokens));
  row.bind(cost_nano(call));
  if (auto status = db.run(row); !status) return status;
  RolledCall rolled{id, required[1], required[2], required[0], optional[1].value_or(0), 0, {},
                    {}, {},          {},          {}};
  rolled.duration_us = to_us(call.duration_ns);
  if (call.ttft_ns) rolled.ttft_us = to_us(*call.ttft_ns);
  rolled.input = count(call.input_tokens);
  rolled.output = count(call.output_tokens);
  rolled.cache_read = count(call.cache_read_tokens);
  rolled.cost_nano = cost_nano(call);
  rollups.add(rolled);
  return Unit{};
}

Status Store::State::insert_texts(std::int64_t id, const StoredCall& call) {
  auto preview = statement("INSERT INTO preview(call, input, output) VALUES(?, ?, ?)");
  if (!preview) return preview.error();
  (*preview)
      ->bind(id)
      .bind(std::string_view(call.preview_input))
      .bind(std::string_view(call.preview_output));
  if (auto status = db.run(**preview); !status) return status;

  auto detail = statement(
      "INSERT INTO detail(call, record_id, response_id, request_id, body)"
      " VALUES(?, ?, nullif(?, ''), nullif(?, ''), ?)");
  if (!detail) return detail.error();
  (*detail)
      ->bind(id)
      .bind(std::string_view(call.record_id))
      .bind(std::string_view(call.summary.response_id));
  (*detail)->bind(std::string_view(call.summary.request_id)).bind_blob(compress(call.detail));
  if (auto status = db.run(**detail); !status) return status;

  const std::int64_t day = id / kDayUs;
  std::int64_t position = 0;
  for (const auto& block : call.blocks) {
    auto block_row = block_id(block, day);
    if (!block_row) return block_row.error();
    auto link = statement("INSERT INTO call_block(call, position, block) VALUES(?, ?, ?)");
    if (!link) return link.error();
    (*link)->bind(id).bind(position++).bind(*block_row);
    if (auto status = db.run(**link); !status) return status;
  }
  return Unit{};
}

Result<std::int64_t> Store::State::block_id(const StoredBlock& block, std::int64_t day) {
  const std::string hash = content_hash(block.json);
  auto select = statement("SELECT id, day FROM block WHERE hash = ?");
  if (!select) return select.error();
  (*select)->bind_blob(hash);
  std::optional<std::int64_t> id;
  std::int64_t last_day = 0;
  if ((*select)->step() == SQLITE_ROW) {
    id = (*select)->integer(0);
    last_day = (*select)->integer(1);
  }
  (*select)->reset();
  if (id && last_day >= day) return *id;
  if (id) {
    // Seen again on a later day: found there too, since the older table will be dropped.
    auto update = statement("UPDATE block SET day = ? WHERE id = ?");
    if (!update) return update.error();
    (*update)->bind(day).bind(*id);
    if (auto status = db.run(**update); !status) return status.error();
  } else {
    auto insert = statement("INSERT INTO block(hash, day, body) VALUES(?, ?, ?)");
    if (!insert) return insert.error();
    (*insert)->bind_blob(hash).bind(day).bind_blob(compress(block.json));
    if (auto status = db.run(**insert); !status) return status.error();
    id = db.last_id();
  }
  if (auto status = index_block(*id, block.search, day); !status) return status.error();
  return *id;
}

Status Store::State::index_block(std::int64_t block, const std::string& search, std::int64_t day) {
  const std::string terms = search_terms(search, kSearchBytes);
  if (terms.empty()) return Unit{};
  const std::string table = search_table(day);
  if (!search_days.contains(day)) {
    // Terms come ready-made; the tokenizer splits at spaces and folds case and accents.
    auto status =
        db.execute("CREATE VIRTUAL TABLE IF NOT EXISTS " + table +
                   " USING fts5(terms, content = '', tokenize = 'unicode61 remove_diacritics 2')");
    if (!status) return status;
    search_days.insert(day);
  }
  auto insert = statement("INSERT INTO " + table + "(rowid, terms) VALUES(?, ?)");
  if (!insert) return insert.error();
  (*insert)->bind(block).bind(std::string_view(terms));
  return db.run(**insert);
}

Result<bool> Store::retain(const Retention& retention, TimeNs now_ns) {
  auto& state = *state_;
  const auto used = used_bytes(state.db);
  if (!used) return used.error();
  const auto keep_s = std::chrono::duration_cast<std::chrono::seconds>(retention.keep).count();
  if (auto status = retain_rollups(state.db, to_us(now_ns) / 1'000'000, keep_s); !status)
    return status.error();
  const bool too_much = *used > retention.max_bytes;

  std::int64_t cutoff = to_us(now_ns) - std::chrono::microseconds(retention.keep).count();
  if (too_much) {
    auto edge = edge_of_oldest(state.db);
    if (!edge) return edge.error();
    cutoff = std::max(cutoff, (*edge).value_or(cutoff));
  }
  auto oldest = state.db.number("SELECT min(id) FROM call");
  if (!oldest) return oldest.error();
  if (!*oldest || **oldest >= cutoff) {
    // Only texts to search are left, of calls that are gone, in a table of this day.
    if (too_much) return state.drop_search_before(std::numeric_limits<std::int64_t>::max());
    return false;
  }
  if (auto status = delete_calls_before(state.db, cutoff); !status) return status.error();
  auto next = state.db.number("SELECT min(id) FROM call");
  if (!next) return next.error();
  if (auto status = state.drop_days_before((*next).value_or(cutoff) / kDayUs); !status)
    return status.error();
  if (auto status = state.db.execute("PRAGMA incremental_vacuum(256)"); !status)
    return status.error();
  return (*next && **next < cutoff) || too_much;
}

// True if there was any.
Result<bool> Store::State::drop_search_before(std::int64_t day) {
  bool dropped = false;
  while (!search_days.empty() && *search_days.begin() < day) {
    const std::int64_t first = *search_days.begin();
    statements.clear();  // one of them may hold the table
    if (auto status = db.execute("DROP TABLE IF EXISTS " + search_table(first)); !status)
      return status.error();
    search_days.erase(search_days.begin());
    dropped = true;
  }
  return dropped;
}

// No call of those days is left, so no call has their blocks.
Status Store::State::drop_days_before(std::int64_t day) {
  const auto dropped = drop_search_before(day);
  if (!dropped) return dropped.error();
  if (*dropped) {
    names.clear();
    if (auto status = delete_unused_names(db); !status) return status;
  }
  auto blocks =
      statement("DELETE FROM block WHERE id IN (SELECT id FROM block WHERE day < ? LIMIT 5000)");
  if (!blocks) return blocks.error();
  (*blocks)->bind(day);
  return db.run(**blocks);
}

}  // namespace llmtap
