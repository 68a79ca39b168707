// SPDX-License-Identifier: Apache-2.0
#include "userspace/store/rollup.h"

#include <string>

namespace llmtap {
namespace {

constexpr std::int64_t kSecondUs = 1'000'000;

std::uint64_t positive(const std::optional<std::int64_t>& value) {
  return value && *value > 0 ? static_cast<std::uint64_t>(*value) : 0;
}

void bind_key(Statement& statement, const RollupKey& key) {
  statement.bind(key.tier).bind(key.start).bind(key.provider).bind(key.model);
  statement.bind(key.service).bind(key.error);
}

}  // namespace

void Rollup::merge(const Rollup& other) {
  calls += other.calls;
  input += other.input;
  output += other.output;
  cache_read += other.cache_read;
  cost_nano += other.cost_nano;
  duration.merge(other.duration);
  ttft.merge(other.ttft);
}

void RollupBatch::add(const RolledCall& call, bool minutes) {
  const std::int64_t start = call.start_us / kSecondUs;
  for (const auto tier : {kMinuteTier, kHourTier}) {
    if (tier == kMinuteTier && !minutes) continue;
    auto& row =
        rows_[{tier, start - start % tier, call.provider, call.model, call.service, call.error}];
    ++row.calls;
    row.input += positive(call.input);
    row.output += positive(call.output);
    row.cache_read += positive(call.cache_read);
    row.cost_nano += call.cost_nano.value_or(0);
    row.duration.add(positive(call.duration_us));
    if (call.ttft_us) row.ttft.add(positive(call.ttft_us));
  }
}

Status RollupBatch::write(Database& database) {
  if (rows_.empty()) return Unit{};
  auto select = database.prepare(
      "SELECT calls, input, output, cache_read, cost_nano, duration, ttft FROM rollup"
      " WHERE tier = ? AND start = ? AND provider = ? AND model = ? AND service = ? AND error = ?");
  if (!select) return select.error();
  auto replace = database.prepare(
      "REPLACE INTO rollup(tier, start, provider, model, service, error, calls, input, output,"
      " cache_read, cost_nano, duration, ttft) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)");
  if (!replace) return replace.error();
  for (auto& [key, row] : rows_) {
    select->reset();
    bind_key(*select, key);
    if (select->step() == SQLITE_ROW) {
      row.calls += static_cast<std::uint64_t>(select->integer(0));
      row.input += static_cast<std::uint64_t>(select->integer(1));
      row.output += static_cast<std::uint64_t>(select->integer(2));
      row.cache_read += static_cast<std::uint64_t>(select->integer(3));
      row.cost_nano += select->integer(4);
      row.duration.merge(select->blob(5));
      row.ttft.merge(select->blob(6));
    }
    replace->reset();
    bind_key(*replace, key);
    for (const auto value : {row.calls, row.input, row.output, row.cache_read})
      replace->bind(static_cast<std::int64_t>(value));
    replace->bind(row.cost_nano).bind_blob(row.duration.encode()).bind_blob(row.ttft.encode());
    if (auto status = database.run(*replace); !status) return status;
  }
  rows_.clear();
  return Unit{};
}

Status fill_rollups(Database& database) {
  auto newest = database.number("SELECT max(id) FROM call");
  if (!newest) return newest.error();
  const std::int64_t minutes_from = (*newest).value_or(0) - kMinutesKept * kSecondUs;
  auto calls = database.prepare(
      "SELECT id, provider, model, service, coalesce(error_class, 0), duration_us, ttft_us, input,"
      " output, cache_read, cost_nano FROM call");
  if (!calls) return calls.error();
  RollupBatch batch;
  while (calls->step() == SQLITE_ROW) {
    RolledCall call;
    call.start_us = calls->integer(0);
    call.provider = calls->integer(1);
    call.model = calls->integer(2);
    call.service = calls->integer(3);
    call.error = calls->integer(4);
    call.duration_us = calls->integer(5);
    call.ttft_us = calls->optional(6);
    call.input = calls->optional(7);
    call.output = calls->optional(8);
    call.cache_read = calls->optional(9);
    call.cost_nano = calls->optional(10);
    batch.add(call, call.start_us >= minutes_from);
  }
  return batch.write(database);
}

}  // namespace llmtap
