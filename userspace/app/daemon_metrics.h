// SPDX-License-Identifier: Apache-2.0
//
// The daemon's own health as Prometheus metrics: what was captured and what was lost on the way,
// queues, deliveries, and what it costs. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "userspace/app/kernel_capture.h"
#include "userspace/app/pipeline.h"
#include "userspace/base/self_usage.h"
#include "userspace/sinks/counts.h"
#include "userspace/sinks/metrics/exposition.h"

namespace llmtap {

struct ReloadCounts {
  std::uint64_t done = 0;
  std::uint64_t refused = 0;
  double last_done = 0;  // Unix seconds; of the start, before the first reload
};

// One look at everything that counts.
struct DaemonFigures {
  std::string version;
  CaptureCounts capture;
  HookCounts hooks;
  PipelineCounts pipeline;
  std::vector<SinkCounts> sinks;
  ReloadCounts reloads;
  SelfUsage usage;
};

void write_daemon_metrics(Exposition& out, const DaemonFigures& figures);

}  // namespace llmtap
