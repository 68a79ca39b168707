// SPDX-License-Identifier: Apache-2.0
#include "userspace/store/reader.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <iterator>
#include <limits>
#include <map>
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

bool searches(const Filter& filter) {
  return std::any_of(filter.begin(), filter.end(), [](const FilterTerm& term) {
    return term.field->kind == FieldKind::kText && !term.negated;
  });
}

}  // namespace

struct StoreReader::State {
  Database db;
  explicit State(Database database) : db(std::move(database)) {}

  struct Span {
    std::int64_t from, to;  // ids, [from, to)
  };
  Result<std::vector<CallRow>> page(const CallQuery& query, Span span,
                                    const std::vector<std::int64_t>& days, std::size_t limit) const;
  Result<std::vector<RollupRow>> sums(Statement& statement) const;

  Result<std::vector<CallRow>> rows(Statement& statement) const {
    std::vector<CallRow> out;
    int code = SQLITE_ROW;
    while ((code = statement.step()) == SQLITE_ROW) out.push_back(read_row(statement));
    if (code != SQLITE_DONE) return Error{db.error()};
    return out;
  }
};

// Columns as StoreReader::rollup selects them.
Result<std::vector<RollupRow>> StoreReader::State::sums(Statement& statement) const {
  struct Group {
    Rollup sums;
    SketchSum duration, ttft;
  };
  std::map<std::array<std::int64_t, 4>, Group> groups;
  int code = SQLITE_ROW;
  while ((code = statement.step()) == SQLITE_ROW) {
    auto& [sums, duration, ttft] = groups[{statement.integer(0), statement.integer(1),
                                           statement.integer(2), statement.integer(3)}];
    sums.calls += static_cast<std::uint64_t>(statement.integer(4));
    sums.input += static_cast<std::uint64_t>(statement.integer(5));
    sums.output += static_cast<std::uint64_t>(statement.integer(6));
    sums.cache_read += static_cast<std::uint64_t>(statement.integer(7));
    sums.cost_nano += statement.integer(8);
    duration.merge(statement.blob_view(9));
    ttft.merge(statement.blob_view(10));
  }
  if (code != SQLITE_DONE) return Error{db.error()};
  auto name = db.prepare("SELECT text FROM name WHERE id = ?");
  if (!name) return name.error();
  std::vector<RollupRow> out;
  for (auto& [ids, group] : groups) {
    RollupRow row;
    std::size_t at = 0;
    for (auto* text : {&row.provider, &row.model, &row.service, &row.error}) {
      name->reset();
      name->bind(ids[at++]);
      if (name->step() == SQLITE_ROW) *text = name->text(0);
    }
    row.sums = std::move(group.sums);
    row.sums.duration = group.duration.sketch();
    row.sums.ttft = group.ttft.sketch();
    out.push_back(std::move(row));
  }
  std::stable_sort(out.begin(), out.end(), [](const RollupRow& a, const RollupRow& b) {
    return a.sums.calls > b.sums.calls;
  });
  return out;
}

StoreReader::StoreReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
StoreReader::~StoreReader() = default;

Result<std::unique_ptr<StoreReader>> StoreReader::open(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    if (error) return Error{path + ": " + error.message()};
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

Result<std::vector<CallRow>> StoreReader::State::page(const CallQuery& query, Span span,
                                                      const std::vector<std::int64_t>& days,
                                                      std::size_t limit) const {
  const auto condition = filter_sql(query.filter, days);
  std::string sql = std::string("SELECT ") + kColumns + " FROM call WHERE " + condition.where;
  sql += " AND call.id >= " + std::to_string(span.from) + " AND call.id < " +
         std::to_string(span.to) + " ORDER BY call.id DESC LIMIT " + std::to_string(limit);
  auto statement = db.prepare(sql);
  if (!statement) return statement.error();
  condition.bind(*statement);
  return rows(*statement);
}

Result<std::vector<CallRow>> StoreReader::calls(const CallQuery& query) const {
  constexpr auto kEver = std::numeric_limits<std::int64_t>::max();
  State::Span span{query.from_us.value_or(0), query.to_us.value_or(kEver)};
  span.to = std::min(span.to, query.before_id.value_or(kEver));
  const auto days = search_days(state_->db);
  if (!searches(query.filter) || days.empty()) return state_->page(query, span, days, query.limit);

  // Newest day first, and stop when there is enough: a block is found on every day on which a call
  // had it; on the next one only if that call came in late, around midnight.
  std::vector<CallRow> out;
  const auto first = std::min(days.front(), days.back());
  for (auto day = std::max(days.front(), days.back()); day + 1 >= first; --day) {
    const State::Span part{std::max(span.from, day * kDayUs),
                           std::min(span.to, (day + 1) * kDayUs)};
    if (part.from >= part.to) continue;
    std::vector<std::int64_t> tables;
    for (const auto known : days) {
      if (known == day || known == day + 1) tables.push_back(known);
    }
    if (tables.empty()) continue;
    auto rows = state_->page(query, part, tables, query.limit - out.size());
    if (!rows) return rows;
    out.insert(out.end(), std::make_move_iterator(rows->begin()),
               std::make_move_iterator(rows->end()));
    if (out.size() >= query.limit) break;
  }
  return out;
}

Result<std::vector<RollupRow>> StoreReader::rollup(const RollupQuery& query) const {
  for (const auto& term : query.filter) {
    const auto name = term.field->name;
    const bool is_class =
        name == "status" &&
        std::all_of(term.values.begin(), term.values.end(),
                    [](const auto& value) { return value.text == "ok" || value.text == "error"; });
    if (name != "service" && name != "provider" && name != "model" && name != "error" && !is_class)
      return Error{std::string(name) +
                   ": sums are kept by service, provider, model and error only"};
  }
  const auto condition = filter_sql(query.filter, {});
  const auto tier = query.to_us - query.from_us > kMinuteRangeUs ? kHourTier : kMinuteTier;
  const auto second = [](std::int64_t us) { return std::to_string((us + 999'999) / 1'000'000); };
  const auto column = [](bool asked, const char* name) {
    return asked ? std::string("call.") + name : std::string("0");
  };
  // `call` is what conditions are about.
  const std::string sql =
      "SELECT " + column(query.by_provider, "provider") + ", " + column(query.by_model, "model") +
      ", " + column(query.by_service, "service") + ", " + column(query.by_error, "error") +
      ", calls, input, output, cache_read, cost_nano, duration, ttft FROM"
      " (SELECT *, nullif(error, 0) AS error_class FROM rollup WHERE tier = " +
      std::to_string(tier) + " AND start >= " + second(query.from_us) + " AND start < " +
      second(query.to_us) + ") AS call WHERE " + condition.where;
  auto statement = state_->db.prepare(sql);
  if (!statement) return statement.error();
  condition.bind(*statement);
  return state_->sums(*statement);
}

Result<std::vector<CallRow>> StoreReader::arrived_after(std::int64_t seq, const Filter& filter,
                                                        std::size_t limit) const {
  const auto condition = filter_sql(filter, search_days(state_->db));
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
