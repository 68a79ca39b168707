// SPDX-License-Identifier: Apache-2.0
//
// Everything that feeds chunks from this machine: the kernel programs, the watch that finds what to
// probe, and what is known about processes.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "parsers/assembly/assembler.h"
#include "parsers/assembly/provider_names.h"
#include "parsers/core/result.h"
#include "userspace/app/hook_review.h"
#include "userspace/capture/kernel_source.h"
#include "userspace/capture/process_watch.h"
#include "userspace/enrich/process_info.h"

namespace llmtap {

// Now; for metrics and the message at the start.
struct HookCounts {
  std::size_t running = 0;  // processes
  std::size_t tls = 0;      // of these, with a TLS library, hooked or not
  std::size_t hooked = 0;
  std::size_t files = 0;  // executables and libraries with probes
};

struct CaptureOptions {
  bool targets_only = false;  // observe what `source().add_target` names and its children only
  bool hold_exec = false;     // exec_guard.h
  std::optional<PlainOptions> plain;
  BusyLimits busy;
  ProviderNames providers;                                // whose hosts are LLMs'
  std::uint64_t ring_bytes = KernelOptions{}.ring_bytes;  // rounded up to what the kernel can do
};

class KernelCapture final : private ProbeAttacher, private ProcessListener {
 public:
  // Errors say which privilege or kernel feature is missing and what to do.
  static Result<std::unique_ptr<KernelCapture>> start(const CaptureOptions& options);
  ~KernelCapture() override;

  KernelSource& source() { return *source_; }
  const KernelSource& source() const { return *source_; }
  // Probes what `program` will run before it does.
  void prepare(const std::string& program) { watch_->prepare(program); }
  // Waits until what is running has been looked at, but not for long.
  void wait_until_settled();
  // Everything counted so far, processes included. Any thread.
  CaptureCounts counts() const;
  HookCounts hooks() const;
  // "watching 214 processes, 37 with TLS, 31 hooked".
  std::string describe() const;

  void set_verdict(const ConnId& conn, ConnVerdict verdict);
  // Fills call.process, also for a process that has just ended.
  void describe_process(CallRecord& call);

 private:
  KernelCapture() = default;
  Result<std::uint64_t> attach(const std::string& path, const ProbePlan& plan) override;
  Result<std::uint64_t> attach_in(const std::string& path, const ProbePlan& plan,
                                  pid_t pid) override;
  void detach(std::uint64_t id) override;
  void process_seen(pid_t pid) override { processes_.seen(pid); }
  void process_gone(pid_t pid) override;

  ProcessTable processes_;
  std::unique_ptr<KernelSource> source_;
  std::unique_ptr<HookReview> review_;             // stopped first, but the watch reports to it
  std::atomic<HookReview*> reviewed_by_{nullptr};  // once it is there; the watch starts earlier
  std::unique_ptr<ProcessWatch> watch_;            // uses the others: destroyed before them
};

}  // namespace llmtap
