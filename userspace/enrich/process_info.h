// SPDX-License-Identifier: Apache-2.0
//
// Who made a call: reads /proc once per process and image, early enough for processes that live
// milliseconds only, and keeps the answer a while after their end. Thread safe.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "parsers/core/call_record.h"

namespace llmtap {

class ProcessTable {
 public:
  using Clock = std::chrono::steady_clock;

  // `proc`: where the process file system is mounted.
  explicit ProcessTable(std::string proc = "/proc") : proc_(std::move(proc)) {}

  // The process started, runs another image, or was noticed: reads it. Cheap when nothing changed.
  void seen(pid_t pid);
  // It ended: its entry is kept for kKept.
  void gone(pid_t pid);

  // What is known, read now if it is not. Never without a service: if nothing else is known, it is
  // the name of the task or "unknown".
  ProcessInfo info(pid_t pid);

  static constexpr std::chrono::seconds kKept{60};
  static constexpr std::size_t kMostProcesses = 16384;

 private:
  struct Entry {
    ProcessInfo info;
    std::uint64_t start_time = 0;   // in clock ticks since boot; tells reuses of a pid apart
    std::size_t command_hash = 0;   // of the command line before masking
    Clock::time_point mapped_at{};  // when the libraries were looked at
    bool gone = false;
    Clock::time_point gone_at{};

    // Right after exec the command line is not there yet.
    bool complete() const { return !info.command_line.empty(); }
  };
  std::string read(pid_t pid, const char* name, std::size_t most) const;
  std::uint64_t start_time(pid_t pid) const;
  bool read_identity(pid_t pid, ProcessInfo& info) const;
  void read_libraries(pid_t pid, ProcessInfo& info) const;
  std::optional<Entry> cached(pid_t pid);
  void refresh(pid_t pid);
  void store(pid_t pid, Entry entry);

  const std::string proc_;
  std::mutex mutex_;
  // Guarded by mutex_:
  std::map<pid_t, Entry> entries_;
  Clock::time_point purged_{};
};

}  // namespace llmtap
