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
#include <memory>
#include <vector>

#include "parsers/assembly/assembler.h"
#include "parsers/core/result.h"
#include "userspace/app/config.h"
#include "userspace/capture/chunk_source.h"
#include "userspace/enrich/pricing.h"
#include "userspace/enrich/token_estimate.h"
#include "userspace/sinks/sink.h"

namespace llmtap {

struct PipelineHooks {
  // What is known about a connection; for the kernel's filter. May be empty.
  std::function<void(const ConnId&, ConnVerdict)> on_verdict;
  // Fills call.process from call.conn.tgid. Runs on the polling thread. May be empty.
  std::function<void(CallRecord&)> describe_process;
  // After each poll; for whatever else must happen on the polling thread. May be empty.
  std::function<void()> on_tick;
};

class Pipeline final : private RecordSink {
 public:
  Pipeline(const Config& config, std::vector<std::unique_ptr<Sink>> sinks, PipelineHooks hooks);
  ~Pipeline() override;

  // Until the source is finished or `stop` becomes true; then drains what is there, ends the open
  // calls and flushes the sinks within `flush_deadline`. Call once.
  Status run(ChunkSource& source, const std::atomic<bool>& stop,
             std::chrono::milliseconds flush_deadline);

  std::uint64_t calls() const { return calls_; }
  std::uint64_t secrets_masked() const { return secrets_masked_; }
  const LossLedger& losses() const { return assembler_.losses(); }

 private:
  void record(CallRecord&& call) override;
  void verdict(const ConnId& conn, ConnVerdict verdict) override;
  void loss(const ConnId&, LossReason, std::uint64_t) override {}  // the assembler's ledger has it
  void enrich(CallRecord& call);
  void flush(std::chrono::milliseconds deadline);

  const Config config_;
  std::vector<std::unique_ptr<Sink>> sinks_;
  const PipelineHooks hooks_;
  TokenEstimator estimator_;
  PriceTable prices_;
  Assembler assembler_;  // reports to this object
  std::atomic<std::uint64_t> calls_{0};
  std::atomic<std::uint64_t> secrets_masked_{0};
};

}  // namespace llmtap
