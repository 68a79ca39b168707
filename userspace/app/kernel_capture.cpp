// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/kernel_capture.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "userspace/base/log.h"

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

std::size_t running_processes() {
  std::size_t count = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    if (!name.empty() && name[0] >= '1' && name[0] <= '9') ++count;
  }
  return count;
}

}  // namespace

Result<std::unique_ptr<KernelCapture>> KernelCapture::start(bool targets_only, bool hold_exec) {
  KernelOptions options;
  options.targets_only = targets_only;
  auto source = KernelSource::open(options);
  if (!source) return source.error();
  std::unique_ptr<KernelCapture> capture(new KernelCapture());
  capture->source_ = std::move(*source);
  WatchOptions watch_options;
  watch_options.hold_exec = hold_exec;
  auto watch = ProcessWatch::start(*capture, capture.get(), watch_options);
  if (!watch) return watch.error();
  capture->watch_ = std::move(*watch);
  if (const auto why = capture->watch_->degraded(); !why.empty()) {
    log_warning("new processes are noticed late: " + why);
  }
  return capture;
}

KernelCapture::~KernelCapture() = default;

void KernelCapture::wait_until_settled() {
  constexpr std::chrono::seconds kLongest{5};
  watch_->wait_until_settled(kLongest);
}

std::string KernelCapture::describe() const {
  const auto processes = watch_->processes();
  const auto hooked =
      std::count_if(processes.begin(), processes.end(), [](const ProcessTls& process) {
        return std::any_of(process.files.begin(), process.files.end(),
                           [](const TlsFile& file) { return !file.attachments.empty(); });
      });
  return "watching " + std::to_string(running_processes()) + " processes, " +
         std::to_string(processes.size()) + " with TLS, " + std::to_string(hooked) + " hooked (" +
         name(source_->mode()) + ")";
}

void KernelCapture::set_verdict(const ConnId& conn, ConnVerdict verdict) {
  source_->set_verdict(conn, kernel_verdict(verdict));
}

void KernelCapture::describe_process(CallRecord& call) {
  call.process = processes_.info(static_cast<pid_t>(call.conn.tgid));
}

Result<std::uint64_t> KernelCapture::attach(const std::string& path, const ProbePlan& plan) {
  return source_->attach(path, plan);
}

void KernelCapture::detach(std::uint64_t id) { source_->detach(id); }

}  // namespace llmtap
