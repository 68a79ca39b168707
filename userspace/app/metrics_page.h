// SPDX-License-Identifier: Apache-2.0
//
// /metrics and /healthz over HTTP. Calls come in through a sink of its own; everything else is
// polled when somebody asks.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "userspace/app/config.h"
#include "userspace/app/daemon_metrics.h"
#include "userspace/base/http_server.h"
#include "userspace/sinks/metrics/call_metrics.h"
#include "userspace/sinks/sink.h"

namespace llmtap {

class MetricsPage {
 public:
  struct Polls {
    std::function<DaemonFigures()> figures;
    std::function<std::string()> trouble;  // why the daemon is not well; empty if it is
  };

  // Polls run on the server's thread until this is gone.
  MetricsPage(const MetricsConfig& config, Polls polls);

  // For the destinations; may outlive the page no longer than it is given calls.
  std::unique_ptr<Sink> sink();

  // Serves at `address` from now on; empty: nowhere. An address that cannot be had is a warning.
  void listen(const std::string& address);

 private:
  HttpServer::Response answer(const HttpServer::Request& request) const;

  const Polls polls_;
  mutable std::mutex mutex_;
  CallMetrics calls_;  // guarded by mutex_
  std::unique_ptr<HttpServer> server_;
};

}  // namespace llmtap
