// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/destinations.h"

#include <unistd.h>

#include <utility>

#include "userspace/base/log.h"
#include "userspace/enrich/redact.h"
#include "userspace/sinks/line_writer.h"
#include "userspace/sinks/llmobs/llmobs_encode.h"
#include "userspace/sinks/llmobs_exporter.h"
#include "userspace/sinks/store_sink.h"

namespace llmtap {
namespace {

constexpr std::size_t kQueued = 8192;

Prepare prepare_for(ContentPolicy policy) {
  if (policy == ContentPolicy::kFull) return {};
  return [policy](const SharedCall& call) {
    auto copy = std::make_shared<CallRecord>(*call);
    if (policy == ContentPolicy::kNone) drop_content(*copy);
    redact(*copy, {.personal = true});
    return copy;
  };
}

void add(Destinations& destinations, std::unique_ptr<RecordWriter> writer, ContentPolicy policy,
         std::string line) {
  destinations.sinks.push_back(
      std::make_unique<QueuedSink>(std::move(writer), kQueued, prepare_for(policy)));
  if (!line.empty()) destinations.lines.push_back(std::move(line));
}

std::optional<std::string> llmobs_line(const CallRecord& call) {
  return llmobs::event_json(llmobs::encode_event(call, {}));
}

// A spool that cannot be had costs safety, not service.
std::unique_ptr<Spool> open_spool(const DeliveryConfig& config, const std::string& destination) {
  const std::string directory =
      config.spool_dir.empty() ? "" : config.spool_dir + '/' + destination;
  auto spool = Spool::open(directory, config.spool_max_bytes);
  if (spool) return std::move(*spool);
  log_warning("spool: " + spool.error().message + "; unsent records are kept in memory only");
  return std::move(Spool::open("", config.spool_max_bytes).value());
}

void add_datadog(Destinations& out, const Config& config) {
  const auto& datadog = config.datadog;
  LlmobsTarget target{datadog.site, datadog.api_key, datadog.agentless, datadog.agent_url,
                      datadog.override_origin};
  const bool direct = datadog.agentless.value_or(false);
  std::string line =
      "Datadog LLMObs: " + (direct ? "intake of " + datadog.site : "Agent at " + datadog.agent_url);
  if (!datadog.override_origin.empty()) line += ", at " + datadog.override_origin;
  add(out,
      std::make_unique<LlmobsWriter>(std::move(target), open_spool(config.delivery, "datadog")),
      datadog.content, std::move(line));
}

}  // namespace

Result<Destinations> open_destinations(const Config& config) {
  Destinations out;
  if (config.store.enabled) {
    auto writer = open_store_writer(config.store.path, {config.store.keep, config.store.max_bytes});
    if (!writer) return writer.error();
    add(out, std::move(*writer), config.store.content, "store: " + config.store.path);
  }
  if (!config.jsonl.path.empty()) {
    auto writer = open_line_writer("jsonl", config.jsonl.path, llmobs_line);
    if (!writer) return writer.error();
    add(out, std::move(*writer), config.jsonl.content, "JSON lines: " + config.jsonl.path);
  }
  if (config.datadog.enabled.value_or(false)) add_datadog(out, config);
  const bool stdout_free = config.jsonl.path != "-";
  if (config.terminal && stdout_free && ::isatty(STDOUT_FILENO) == 1) {
    add(out, make_terminal_writer(), ContentPolicy::kFull, "");
  }
  return out;
}

}  // namespace llmtap
