// SPDX-License-Identifier: Apache-2.0
#include "userspace/store/reader.h"

#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "userspace/store/block_lists.h"
#include "userspace/store/compression.h"
#include "userspace/store/filter_sql.h"
#include "userspace/store/schema.h"
#include "userspace/store/sqlite.h"

namespace llmtap {
namespace {

// Columns in the order in which read_row takes them. Names are looked up for the shown rows only.
constexpr const char* kColumns =
    "call.id, (SELECT text FROM name WHERE id = service), (SELECT text FROM name WHERE id = "
    "provider),"
    " (SELECT text FROM name WHERE id = model), (SELECT text FROM name WHERE id = model_requested),"
    " (SELECT text FROM name WHERE id = operation), (SELECT text FROM name WHERE id = dialect),"
    " (SELECT text FROM name WHERE id = host), (SELECT text FROM name WHERE id = process), pid,"
    " (SELECT text FROM name WHERE id = session), http_status,"
    " (SELECT text FROM name WHERE id = error_class), (SELECT text FROM name WHERE id = "
    "error_type),"
    " (SELECT text FROM name WHERE id = finish), (SELECT text FROM name WHERE id = ended), flags,"
    " duration_us, ttft_us, input, cache_read, cache_write, output, reasoning, cost_nano,"
    " (SELECT input FROM preview WHERE preview.call = call.id),"
    " (SELECT output FROM preview WHERE preview.call = call.id)";

std::optional<std::uint64_t> count(const Statement& row, int column) {
  const auto value = row.optional(column);
  return value ? std::optional<std::uint64_t>(static_cast<std::uint64_t>(*value)) : std::nullopt;
}

CallRow read_row(const Statement& row) {
  CallRow out;
  CallSummary& call = out.summary;
  int at = 0;
  out.id = row.integer(at++);
  call.start_ns = static_cast<TimeNs>(out.id) * 1000;
  for (auto* text : {&call.service, &call.provider, &call.model, &call.model_requested,
                     &call.operation, &call.dialect, &call.host, &call.process}) {
    *text = row.text(at++);
  }
  call.pid = static_cast<std::uint32_t>(row.integer(at++));
  call.session = row.text(at++);
  if (const auto status = row.optional(at++)) call.http_status = static_cast<int>(*status);
  for (auto* text : {&call.error_class, &call.error_type, &call.finish_reason, &call.end})
    *text = row.text(at++);
  const auto flags = row.integer(at++);
  call.streamed = (flags & kFlagStreamed) != 0;
  call.partial = (flags & kFlagPartial) != 0;
  call.server_end = (flags & kFlagServerEnd) != 0;
  call.tokens_estimated = (flags & kFlagEstimated) != 0;
  call.duration_ns = static_cast<std::uint64_t>(row.integer(at++)) * 1000;
  if (const auto us = count(row, at++)) call.ttft_ns = *us * 1000;
  for (auto* tokens : {&call.input_tokens, &call.cache_read_tokens, &call.cache_write_tokens,
                       &call.output_tokens, &call.reasoning_tokens}) {
    *tokens = count(row, at++);
  }
  if (const auto nano = row.optional(at++)) call.cost_usd = static_cast<double>(*nano) / 1e9;
  out.preview_input = row.text(at++);
  out.preview_output = row.text(at++);
  return out;
}

}  // namespace

struct StoreReader::State {
  Database db;
  explicit State(Database database) : db(std::move(database)) {}

  std::vector<std::int64_t> search_days() const {
    std::vector<std::int64_t> days;
    auto tables = db.prepare(
        "SELECT substr(name, 8) FROM sqlite_master WHERE type = 'table' AND name GLOB "
        "'search_[0-9]*'"
        " AND name NOT GLOB 'search_*_*'");
    if (!tables) return days;
    while (tables->step() == SQLITE_ROW) days.push_back(tables->integer(0));
    return days;
  }

  Result<std::vector<CallRow>> rows(Statement& statement) const {
    std::vector<CallRow> out;
    int code = SQLITE_ROW;
    while ((code = statement.step()) == SQLITE_ROW) out.push_back(read_row(statement));
    if (code != SQLITE_DONE) return Error{db.error()};
    return out;
  }
};

StoreReader::StoreReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
StoreReader::~StoreReader() = default;

Result<std::unique_ptr<StoreReader>> StoreReader::open(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return Error{path + ": no store here yet; `llmtap run` makes one"};
  }
  auto db = Database::open(path, Database::Mode::kReadOnly);
  if (!db) return db.error();
  auto version = db->number("PRAGMA user_version");
  if (!version) return Error{path + ": " + version.error().message};
  if ((*version).value_or(0) != kSchemaVersion) {
    return Error{path + ": layout " + std::to_string((*version).value_or(0)) + ", expected " +
                 std::to_string(kSchemaVersion) + "; `llmtap run` brings an older one up to date"};
  }
  return std::unique_ptr<StoreReader>(new StoreReader(std::make_unique<State>(std::move(*db))));
}

Result<std::vector<CallRow>> StoreReader::calls(const CallQuery& query) const {
  const auto condition = filter_sql(query.filter, state_->search_days());
  std::string sql = std::string("SELECT ") + kColumns + " FROM call WHERE " + condition.where;
  if (query.from_us) sql += " AND call.id >= " + std::to_string(*query.from_us);
  if (query.to_us) sql += " AND call.id < " + std::to_string(*query.to_us);
  if (query.before_id) sql += " AND call.id < " + std::to_string(*query.before_id);
  sql += " ORDER BY call.id DESC LIMIT " + std::to_string(query.limit);
  auto statement = state_->db.prepare(sql);
  if (!statement) return statement.error();
  condition.bind(*statement);
  return state_->rows(*statement);
}

Result<std::vector<CallRow>> StoreReader::arrived_after(std::int64_t seq, const Filter& filter,
                                                        std::size_t limit) const {
  const auto condition = filter_sql(filter, state_->search_days());
  const std::string sql =
      std::string("SELECT ") + kColumns +
      ", detail.seq FROM detail JOIN call ON call.id = detail.call WHERE detail.seq > " +
      std::to_string(seq) + " AND " + condition.where + " ORDER BY detail.seq LIMIT " +
      std::to_string(limit);
  auto statement = state_->db.prepare(sql);
  if (!statement) return statement.error();
  condition.bind(*statement);
  std::vector<CallRow> out;
  constexpr int kSeqColumn = 27;
  int code = SQLITE_ROW;
  while ((code = statement->step()) == SQLITE_ROW) {
    out.push_back(read_row(*statement));
    out.back().seq = statement->integer(kSeqColumn);
  }
  if (code != SQLITE_DONE) return Error{state_->db.error()};
  return out;
}

Result<std::int64_t> StoreReader::last_seq() const {
  auto seq = state_->db.number("SELECT max(seq) FROM detail");
  if (!seq) return seq.error();
  return (*seq).value_or(0);
}

Result<std::optional<std::string>> StoreReader::record(std::int64_t id) const {
  auto detail = state_->db.prepare("SELECT body FROM detail WHERE call = ?");
  if (!detail) return detail.error();
  detail->bind(id);
  if (detail->step() != SQLITE_ROW) return std::optional<std::string>{};
  const std::string body = expand(detail->blob(0));
  auto blocks = state_->db.prepare(
      "SELECT block.body FROM call_block JOIN block ON block.id = call_block.block"
      " WHERE call_block.call = ? ORDER BY position");
  if (!blocks) return blocks.error();
  blocks->bind(id);
  std::vector<std::string> texts;
  while (blocks->step() == SQLITE_ROW) texts.push_back(expand(blocks->blob(0)));
  return std::optional<std::string>(join_blocks(body, texts));
}

}  // namespace llmtap
