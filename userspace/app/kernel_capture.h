// SPDX-License-Identifier: Apache-2.0
//
// Everything that feeds chunks from this machine: the kernel programs, the watch that finds what to
// probe, and what is known about processes.
#pragma once

#include <memory>
#include <string>

#include "parsers/assembly/assembler.h"
#include "parsers/core/result.h"
#include "userspace/capture/kernel_source.h"
#include "userspace/capture/process_watch.h"
#include "userspace/enrich/process_info.h"

namespace llmtap {

class KernelCapture final : private ProbeAttacher, private ProcessListener {
 public:
  // Errors say which privilege or kernel feature is missing and what to do.
  // `targets_only`: observe what `source().add_target` names and its children, nothing else.
  static Result<std::unique_ptr<KernelCapture>> start(bool targets_only, bool hold_exec = false);
  ~KernelCapture() override;

  KernelSource& source() { return *source_; }
  const KernelSource& source() const { return *source_; }
  // Probes what `program` will run before it does.
  void prepare(const std::string& program) { watch_->prepare(program); }
  // Waits until what is running has been looked at, but not for long.
  void wait_until_settled();
  // "watching 214 processes, 37 with TLS, 31 hooked".
  std::string describe() const;

  void set_verdict(const ConnId& conn, ConnVerdict verdict);
  // Fills call.process, also for a process that has just ended.
  void describe_process(CallRecord& call);

 private:
  KernelCapture() = default;
  Result<std::uint64_t> attach(const std::string& path, const ProbePlan& plan) override;
  void detach(std::uint64_t id) override;
  void process_seen(pid_t pid) override { processes_.seen(pid); }
  void process_gone(pid_t pid) override { processes_.gone(pid); }

  ProcessTable processes_;
  std::unique_ptr<KernelSource> source_;
  std::unique_ptr<ProcessWatch> watch_;  // uses the others: destroyed first
};

}  // namespace llmtap
