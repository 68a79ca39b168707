// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/pipeline.h"

#include <memory>
#include <utility>

#include "userspace/base/clock.h"

namespace llmtap {
namespace {

// Also how often the assembler hears that time moves on.
constexpr std::chrono::milliseconds kPoll{100};

ProviderNames provider_names(const Config& config) {
  ProviderNames names;
  for (const auto& row : config.providers) names.add(row);
  return names;
}

}  // namespace

Pipeline::Pipeline(const Config& config, Destinations& destinations, PipelineHooks hooks)
    : destinations_(destinations),
      hooks_(std::move(hooks)),
      enrichment_(config),
      assembler_(Limits{}, *this, provider_names(config)) {
  assembler_.set_identity(config.identity);
}

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
    publish_counts();
    if (hooks_.on_tick) hooks_.on_tick();
  }
  // What was already in the ring buffer when we were told to stop.
  source.stop();
  if (status && !source.finished())
    static_cast<void>(source.poll(std::chrono::milliseconds{0}, feed));
  assembler_.finish(unix_ns());
  publish_counts();
  destinations_.flush(flush_deadline);
  return status;
}

void Pipeline::reload(const Config& config) {
  enrichment_.reload(config);
  assembler_.set_names(provider_names(config));
  assembler_.set_identity(config.identity);
  destinations_.reload(config);
}

void Pipeline::record(CallRecord&& call) {
  if (hooks_.describe_process) hooks_.describe_process(call);
  enrichment_.apply(call);
  ++now_.calls;
  if (call.partial) ++now_.partial;
  destinations_.accept(std::make_shared<const CallRecord>(std::move(call)));
}

void Pipeline::verdict(const ConnId& conn, ConnVerdict verdict) {
  if (hooks_.on_verdict) hooks_.on_verdict(conn, verdict);
}

void Pipeline::publish_counts() {
  now_.secrets_masked = enrichment_.secrets_masked();
  now_.connections = assembler_.connections();
  now_.memory = assembler_.memory();
  now_.losses = assembler_.losses();
  now_.streams = assembler_.stream_counts();
  const std::lock_guard lock(mutex_);
  published_ = now_;
}

PipelineCounts Pipeline::counts() const {
  const std::lock_guard lock(mutex_);
  return published_;
}

}  // namespace llmtap
