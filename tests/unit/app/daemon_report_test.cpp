// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/daemon_report.h"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace llmtap;

namespace {

bool has(const std::vector<std::string>& lines, const std::string& line) {
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}

}  // namespace

TEST_CASE("report: what was lost, one line each, for people", "[unit]") {
  DaemonFigures figures;
  figures.pipeline.calls = 1;
  CHECK(report_lines(figures).front() == "1 call");

  figures.pipeline.calls = 120;
  figures.pipeline.partial = 2;
  figures.capture.lost.add(LossReason::kRingFull, 3 << 20, 12);
  figures.pipeline.losses.add(LossReason::kUnknownContext, 0, 1);
  SinkCounts store;
  store.name = "store";
  store.dropped = 1;
  store.store = StoreCounts{100, 19, 0};
  SinkCounts quiet;
  quiet.name = "jsonl";
  SinkCounts datadog;
  datadog.name = "datadog";
  datadog.delivery =
      DeliveryCounts{.delivered = 0,
                     .rejected = 3,
                     .requests = 0,
                     .retries = 0,
                     .spool = {.records = 7, .bytes = 0, .dropped = 4, .in_memory = 0}};
  figures.sinks = {store, quiet, datadog};
  const auto lines = report_lines(figures);
  CHECK(lines.front() == "120 calls, 2 of them partial");
  CHECK(has(lines,
            "lost in the kernel: ring_full 12 times, 3 MB (the daemon had no CPU for a while)"));
  CHECK(
      has(lines, "lost while parsing: unknown_context 1 time (connections older than the daemon)"));
  CHECK(has(lines, "store: 1 call dropped: queue full, 19 calls not stored"));
  CHECK(has(lines, "datadog: 3 refused by the peer, 4 dropped: spool full, 7 wait in the spool"));
  for (const auto& line : lines) CHECK_FALSE(line.starts_with("jsonl"));
}

TEST_CASE("report: every reason is explained", "[unit]") {
  for (std::size_t i = 0; i < kLossReasons; ++i)
    CHECK_FALSE(explain(static_cast<LossReason>(i)).empty());
}
