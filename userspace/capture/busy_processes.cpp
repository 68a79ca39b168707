// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/busy_processes.h"

namespace llmtap {

bool BusyProcesses::judge(const std::vector<ProcessUse>& uses, std::chrono::milliseconds interval,
                          Clock::time_point now) {
  bool changed = false;
  for (auto it = until_.begin(); it != until_.end();) {
    if (it->second > now) {
      ++it;
      continue;
    }
    left_out_.erase(it->first);
    it = until_.erase(it);
    changed = true;
  }
  if (limits_.calls_per_second == 0) return changed;
  std::map<pid_t, Clock::time_point> still_busy;
  const auto ms = static_cast<std::uint64_t>(interval.count());
  for (const auto& use : uses) {
    if (use.llm) llm_.insert(use.pid);
    if (llm_.count(use.pid) != 0 || left_out_.count(use.pid) != 0 || !use.judged) continue;
    if (use.calls * 1000 < limits_.calls_per_second * ms) continue;
    const auto before = busy_since_.find(use.pid);
    const auto since = before == busy_since_.end() ? now - interval : before->second;
    if (now - since < limits_.after) {
      still_busy.emplace(use.pid, since);
      continue;
    }
    left_out_.insert(use.pid);
    until_[use.pid] = now + limits_.retry;
    changed = true;
  }
  busy_since_ = std::move(still_busy);
  return changed;
}

void BusyProcesses::gone(pid_t pid) {
  llm_.erase(pid);
  until_.erase(pid);
  left_out_.erase(pid);
}

}  // namespace llmtap
