// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/destinations.h"

#include <unistd.h>

#include <utility>

#include "userspace/enrich/redact.h"
#include "userspace/sinks/line_writer.h"
#include "userspace/sinks/llmobs/llmobs_encode.h"
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
  const bool stdout_free = config.jsonl.path != "-";
  if (config.terminal && stdout_free && ::isatty(STDOUT_FILENO) == 1) {
    add(out, make_terminal_writer(), ContentPolicy::kFull, "");
  }
  return out;
}

}  // namespace llmtap
