// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/kernel_capture.h"

#include <algorithm>
#include <bit>
#include <set>
#include <utility>

#include "userspace/base/log.h"
#include "userspace/capture/process_maps.h"

namespace llmtap {
namespace {

tls_verdict kernel_verdict(ConnVerdict verdict) {
  switch (verdict) {
    case ConnVerdict::kLlm:
      return TLS_VERDICT_LLM;
    case ConnVerdict::kWatch:
      return TLS_VERDICT_WATCH;
    case ConnVerdict::kIgnore:
      return TLS_VERDICT_IGNORE;
    case ConnVerdict::kUnknown:
      break;
  }
  return TLS_VERDICT_UNKNOWN;
}

}  // namespace

Result<std::unique_ptr<KernelCapture>> KernelCapture::start(const CaptureOptions& wanted) {
  constexpr std::uint64_t kLeastRing = 4096, kMostRing = 1U << 30;
  KernelOptions options;
  options.targets_only = wanted.targets_only;
  options.plain = wanted.plain;
  options.ring_bytes = static_cast<std::uint32_t>(
      std::bit_ceil(std::clamp(wanted.ring_bytes, kLeastRing, kMostRing)));
  std::unique_ptr<KernelCapture> capture(new KernelCapture());
  options.on_unseen = [self = capture.get(), names = wanted.providers](pid_t pid,
                                                                       const std::string& host) {
    if (!names.label(host, std::nullopt).empty()) self->review_->unseen(pid, host);
  };
  auto source = KernelSource::open(options);
  if (!source) return source.error();
  capture->source_ = std::move(*source);
  WatchOptions watch_options;
  watch_options.hold_exec = wanted.hold_exec;
  auto watch = ProcessWatch::start(*capture, capture.get(), watch_options);
  if (!watch) return watch.error();
  capture->watch_ = std::move(*watch);
  if (const auto why = capture->watch_->degraded(); !why.empty()) {
    log_warning("new processes are noticed late: " + why);
  }
  ReviewOptions review;
  review.busy = wanted.busy;
  review.interval =
      std::min(review.interval, std::max(wanted.busy.after, std::chrono::milliseconds{500}));
  review.watch_silence = !wanted.targets_only;
  if (wanted.targets_only) {  // what was asked for stays hooked; a daemon may run beside us
    review.busy.calls_per_second = 0;
    review.notes.clear();
  }
  capture->review_ = std::make_unique<HookReview>(*capture->source_, *capture->watch_, review);
  capture->reviewed_by_ = capture->review_.get();
  return capture;
}

KernelCapture::~KernelCapture() {
  if (review_) review_->stop();
}

void KernelCapture::wait_until_settled() {
  constexpr std::chrono::seconds kLongest{5};
  watch_->wait_until_settled(kLongest);
}

HookCounts KernelCapture::hooks() const {
  HookCounts counts;
  counts.running = numbered_entries("/proc").size();
  std::set<FileId> files;
  for (const auto& process : watch_->processes()) {
    ++counts.tls;
    bool hooked = false;
    for (const auto& file : process.files) {
      if (!file.hooks(process.pid) || !file.readable()) continue;
      hooked = true;
      files.insert(file.id);
    }
    if (hooked) ++counts.hooked;
  }
  counts.files = files.size();
  return counts;
}

std::string KernelCapture::describe() const {
  const auto counts = hooks();
  return "watching " + std::to_string(counts.running) + " processes, " +
         std::to_string(counts.tls) + " with TLS, " + std::to_string(counts.hooked) + " hooked (" +
         name(source_->mode()) + ")";
}

CaptureCounts KernelCapture::counts() const {
  CaptureCounts counts = source_->counts();
  counts.left_out = review_->left_out();
  counts.silent = review_->silent();
  counts.unseen = review_->unseen();
  return counts;
}

void KernelCapture::set_verdict(const ConnId& conn, ConnVerdict verdict) {
  source_->set_verdict(conn, kernel_verdict(verdict));
  if (verdict == ConnVerdict::kLlm) review_->speaks_llm(static_cast<pid_t>(conn.tgid));
}

void KernelCapture::describe_process(CallRecord& call) {
  call.process = processes_.info(static_cast<pid_t>(call.conn.tgid));
  if (call.server) {
    call.server->process = processes_.info(static_cast<pid_t>(call.server->conn.tgid));
  }
}

Result<std::uint64_t> KernelCapture::attach(const std::string& path, const ProbePlan& plan) {
  return source_->attach(path, plan);
}

Result<std::uint64_t> KernelCapture::attach_in(const std::string& path, const ProbePlan& plan,
                                               pid_t pid) {
  return source_->attach(path, plan, pid);
}

void KernelCapture::process_gone(pid_t pid) {
  processes_.gone(pid);
  if (HookReview* const review = reviewed_by_) review->process_gone(pid);
}

void KernelCapture::detach(std::uint64_t id) { source_->detach(id); }

}  // namespace llmtap
