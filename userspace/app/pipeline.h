// SPDX-License-Identifier: Apache-2.0
//
// The only place that knows every stage; wires them left to right:
//   chunk source → assembler → process, redaction, cost → sinks
// One thread polls, parses and enriches; every sink has a thread of its own. The only way back is
// the verdict about a connection, which the kernel uses as a filter.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>

#include "parsers/assembly/assembler.h"
#include "parsers/core/result.h"
#include "userspace/app/config.h"
#include "userspace/app/destinations.h"
#include "userspace/app/enrichment.h"
#include "userspace/capture/chunk_source.h"

namespace llmtap {

struct PipelineHooks {
  // What is known about a connection; for the kernel's filter. May be empty.
  std::function<void(const ConnId&, ConnVerdict)> on_verdict;
  // Fills call.process from call.conn.tgid. Runs on the polling thread. May be empty.
  std::function<void(CallRecord&)> describe_process;
  // After each poll; for whatever else must happen on the polling thread. May be empty.
  std::function<void()> on_tick;
};

struct PipelineCounts {
  std::uint64_t calls = 0;    // ended, and given to the destinations
  std::uint64_t partial = 0;  // of these: something was lost or cut on our side
  std::uint64_t secrets_masked = 0;
  std::size_t connections = 0;  // open now
  std::size_t memory = 0;       // bytes of the assembler, now
  LossLedger losses;            // of the assembler
  StreamCounts streams;         // bytes that came in chunks, and what became of them
};

class Pipeline final : private RecordSink {
 public:
  // `destinations` must outlive it.
  Pipeline(const Config& config, Destinations& destinations, PipelineHooks hooks);
  ~Pipeline() override;

  // Until the source is finished or `stop` becomes true; then drains what is there, ends the open
  // calls and flushes the sinks within `flush_deadline`. Call once.
  Status run(ChunkSource& source, const std::atomic<bool>& stop,
             std::chrono::milliseconds flush_deadline);

  // A new configuration, from a hook: what begins from now on is labelled and priced by it.
  void reload(const Config& config);

  // As of the last poll; from any thread.
  PipelineCounts counts() const;

 private:
  void record(CallRecord&& call) override;
  void verdict(const ConnId& conn, ConnVerdict verdict) override;
  void loss(const ConnId&, LossReason, std::uint64_t) override {}  // the assembler's ledger has it
  void publish_counts();

  Destinations& destinations_;
  const PipelineHooks hooks_;
  Enrichment enrichment_;
  Assembler assembler_;  // reports to this object
  PipelineCounts now_;
  mutable std::mutex mutex_;
  PipelineCounts published_;  // guarded by mutex_
};

}  // namespace llmtap
