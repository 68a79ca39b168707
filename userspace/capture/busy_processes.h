// SPDX-License-Identifier: Apache-2.0
//
// Which processes are not worth their probes: they make many TLS calls, for a while, and not one
// for an LLM. A trap costs about a microsecond, so 5,000 calls a second are half a percent of a
// core. They are looked at again later; who ever made an LLM call stays hooked.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <set>
#include <vector>

#include "userspace/capture/kernel_source.h"

namespace llmtap {

struct BusyLimits {
  std::uint64_t calls_per_second = 5000;     // 0: every process stays hooked
  std::chrono::milliseconds after{30'000};   // busy for so long, without a break
  std::chrono::milliseconds retry{600'000};  // then left alone for so long
};

class BusyProcesses {
 public:
  using Clock = std::chrono::steady_clock;
  explicit BusyProcesses(const BusyLimits& limits) : limits_(limits) {}

  // What was counted in the `interval` before `now`. True: left_out() has changed.
  bool judge(const std::vector<ProcessUse>& uses, std::chrono::milliseconds interval,
             Clock::time_point now);
  // An LLM call was seen.
  void speaks_llm(pid_t pid) { llm_.insert(pid); }
  void gone(pid_t pid);

  const std::set<pid_t>& left_out() const { return left_out_; }

 private:
  const BusyLimits limits_;
  std::map<pid_t, Clock::time_point> busy_since_;
  std::map<pid_t, Clock::time_point> until_;  // of those left out
  std::set<pid_t> llm_;
  std::set<pid_t> left_out_;
};

}  // namespace llmtap
