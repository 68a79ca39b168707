// SPDX-License-Identifier: Apache-2.0
//
// `llmtap run` without its command line: capture, pipeline, destinations and metrics put together,
// and changed together when the configuration is read again.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "parsers/core/result.h"
#include "userspace/app/config.h"
#include "userspace/app/destinations.h"
#include "userspace/app/kernel_capture.h"
#include "userspace/app/metrics_page.h"
#include "userspace/app/pipeline.h"

namespace llmtap {

struct DaemonOptions {
  std::string version;
  Config config;
  std::function<Result<Config>()> load;  // reads the configuration again
  bool targets_only = false;             // see KernelCapture::start
};

// Belongs to one thread.
class Daemon {
 public:
  static Result<std::unique_ptr<Daemon>> start(DaemonOptions options);

  ~Daemon();

  KernelCapture& capture() { return *capture_; }
  // One line: what is watched, where calls go.
  void announce() const;

  // Until `stop` says so, a few times per second; then flushes. Call once.
  // `reload`: whether the configuration is to be read again; asked likewise.
  Status run(const std::function<bool()>& stop, const std::function<bool()>& reload);

  // A few lines at the end: calls, and what was lost on the way.
  void report() const;

 private:
  explicit Daemon(DaemonOptions options) : options_(std::move(options)) {}
  void tick();
  void reload();
  DaemonFigures figures() const;
  std::string trouble() const;

  DaemonOptions options_;  // its config is the one that holds
  std::unique_ptr<KernelCapture> capture_;
  std::unique_ptr<MetricsPage> metrics_;  // its sink writes into it: before the destinations
  std::unique_ptr<Destinations> destinations_;
  std::unique_ptr<Pipeline> pipeline_;
  std::function<bool()> stop_asked_, reload_asked_;
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> last_tick_ns_{0};  // CLOCK_MONOTONIC
  mutable std::mutex mutex_;
  ReloadCounts reloads_;  // guarded by mutex_
};

}  // namespace llmtap
