// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/enrichment.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <random>
#include <string>

#include "userspace/base/log.h"
#include "userspace/enrich/redact.h"

namespace llmtap {
namespace {

PriceTable price_table(const Config& config) {
  auto table = PriceTable::built_in();
  for (const auto& row : config.prices) {
    Price price;
    price.input = row.input;
    price.output = row.output;
    price.cache_read = row.cache_read;
    price.cache_write = row.cache_write;
    table.add(row.provider, row.model, price);
  }
  return table;
}

// Stable for resends, unique on this host: when and on which connection the call began.
std::string make_id(const CallRecord& call, std::uint64_t serial) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%016llx%08x%08llx",
                static_cast<unsigned long long>(call.timing.request_start), call.conn.tgid,
                static_cast<unsigned long long>(serial & 0xffffffffULL));
  return text.data();
}

// The daemon's own DD_* settings hold where the observed process has none.
void add_defaults(CallRecord& call, const DatadogConfig& datadog) {
  auto& environment = call.process.environment;
  const auto add = [&environment](const char* name, const std::string& value) {
    if (value.empty()) return;
    const bool present = std::any_of(environment.begin(), environment.end(),
                                     [name](const auto& entry) { return entry.first == name; });
    if (!present) environment.emplace_back(name, value);
  };
  add("DD_LLMOBS_ML_APP", datadog.ml_app);
  add("DD_ENV", datadog.env);
  add("DD_VERSION", datadog.version);
  std::string tags;
  for (const auto& tag : datadog.tags) tags += (tags.empty() ? "" : ",") + tag;
  add("DD_TAGS", tags);
  if (call.process.service.empty()) call.process.service = datadog.service;
  if (call.process.service.empty()) call.process.service = call.process.comm;
}

// Without a key that outlives the process the hashes at least hold for its time: never plain ids.
std::optional<UserHash> user_hash(const RedactionConfig& config) {
  if (!config.hash_user_ids) return std::nullopt;
  if (!config.hash_key.empty()) return UserHash(config.hash_key);
  auto key = installation_key(config.hash_key_file);
  if (key) return UserHash(*key);
  log_warning("user ids: " + key.error().message + "; hashed with a key of this run only");
  return UserHash(std::to_string(std::random_device{}()) + std::to_string(std::random_device{}()));
}

}  // namespace

Enrichment::Enrichment(const Config& config)
    : datadog_(config.datadog),
      prices_(price_table(config)),
      user_hash_(user_hash(config.redaction)) {}

void Enrichment::reload(const Config& config) {
  datadog_ = config.datadog;
  prices_ = price_table(config);
  user_hash_ = user_hash(config.redaction);
}

void Enrichment::apply(CallRecord& call) {
  ++serial_;
  if (call.id.empty()) call.id = make_id(call, serial_);
  add_defaults(call, datadog_);
  estimator_.apply(call);
  prices_.apply(call);
  hops_.apply(call);
  secrets_masked_ += redact(call, {});
  if (user_hash_) user_hash_->apply(call);
}

}  // namespace llmtap
