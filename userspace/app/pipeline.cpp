// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/pipeline.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <thread>
#include <utility>

#include "userspace/base/clock.h"
#include "userspace/enrich/redact.h"

namespace llmtap {
namespace {

// Also how often the assembler hears that time moves on.
constexpr std::chrono::milliseconds kPoll{100};

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

ProviderNames provider_names(const Config& config) {
  ProviderNames names;
  for (const auto& row : config.providers) names.add(row);
  return names;
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

}  // namespace

Pipeline::Pipeline(const Config& config, std::vector<std::unique_ptr<Sink>> sinks,
                   PipelineHooks hooks)
    : config_(config),
      sinks_(std::move(sinks)),
      hooks_(std::move(hooks)),
      prices_(price_table(config)),
      assembler_(Limits{}, *this, provider_names(config)) {}

Pipeline::~Pipeline() = default;

Status Pipeline::run(ChunkSource& source, const std::atomic<bool>& stop,
                     std::chrono::milliseconds flush_deadline) {
  const auto feed = [this](const Chunk& chunk) { assembler_.feed(chunk); };
  Status status = Unit{};
  while (!stop && !source.finished()) {
    if (auto polled = source.poll(kPoll, feed); !polled) {
      status = polled.error();
      break;
    }
    assembler_.advance(unix_ns());
    if (hooks_.on_tick) hooks_.on_tick();
  }
  // What was already in the ring buffer when we were told to stop.
  if (status && !source.finished())
    static_cast<void>(source.poll(std::chrono::milliseconds{0}, feed));
  assembler_.finish(unix_ns());
  flush(flush_deadline);
  return status;
}

void Pipeline::record(CallRecord&& call) {
  if (hooks_.describe_process) hooks_.describe_process(call);
  enrich(call);
  const auto shared = std::make_shared<const CallRecord>(std::move(call));
  for (const auto& sink : sinks_) sink->accept(shared);
}

void Pipeline::verdict(const ConnId& conn, ConnVerdict verdict) {
  if (hooks_.on_verdict) hooks_.on_verdict(conn, verdict);
}

void Pipeline::enrich(CallRecord& call) {
  const auto serial = ++calls_;
  if (call.id.empty()) call.id = make_id(call, serial);
  add_defaults(call, config_.datadog);
  estimator_.apply(call);
  prices_.apply(call);
  secrets_masked_ += redact(call, {});
}

void Pipeline::flush(std::chrono::milliseconds deadline) {
  // All destinations have the whole deadline, not one after the other.
  std::vector<std::thread> flushes;
  for (const auto& sink : sinks_) {
    flushes.emplace_back([&sink, deadline] { sink->flush(deadline); });
  }
  for (auto& thread : flushes) thread.join();
}

}  // namespace llmtap
