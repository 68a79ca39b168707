// SPDX-License-Identifier: Apache-2.0
//
// Looks every few seconds at what hooking came to: processes that are busy and never speak to an
// LLM lose their probes for a while (busy_processes.h), and processes whose HTTPS sockets send
// while their probes stand still are reported: attached, but silent. So are processes that talk to
// an LLM by TLS that no probe can read. All is said once in the log, kept for `doctor` in a file,
// and counted. A thread of its own.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "userspace/capture/busy_processes.h"
#include "userspace/capture/kernel_source.h"
#include "userspace/capture/process_watch.h"
#include "userspace/capture/tcp_traffic.h"

namespace llmtap {

struct ReviewOptions {
  BusyLimits busy;
  std::chrono::milliseconds interval{5000};
  int silence_every = 4;                    // intervals; reading sockets costs more
  bool watch_silence = true;                // not where only some processes are observed
  std::string notes = "/run/llmtap/notes";  // process_notes.h; empty: none
};

class HookReview {
 public:
  // Both must outlive it.
  HookReview(KernelSource& source, ProcessWatch& watch, const ReviewOptions& options);
  ~HookReview();

  // Ends the thread; before the watch goes.
  void stop();

  // Any thread.
  void speaks_llm(pid_t pid);
  void process_gone(pid_t pid);
  // A connection to an LLM's host, by TLS that cannot be read.
  void unseen(pid_t pid, const std::string& host);
  std::uint64_t unseen() const { return unseen_count_; }
  std::size_t left_out() const { return left_out_; }
  std::size_t silent() const { return silent_; }

 private:
  // What was known of a process's HTTPS sockets at the last look.
  struct Quiet {
    SentBytes sent;
    int looks = 0;  // in a row at which it had sent something
  };

  void run();
  void review_busy();
  void review_silence();
  void say_left_out(const std::set<pid_t>& before);
  bool unseen_news_now();
  void write_notes();

  KernelSource& source_;
  ProcessWatch& watch_;
  const ReviewOptions options_;

  // The thread's own:
  std::chrono::steady_clock::time_point last_;
  std::uint64_t entered_ = 0;
  std::map<pid_t, std::uint64_t> rates_;
  std::map<pid_t, Quiet> quiet_;
  std::set<pid_t> unhooked_, silent_pids_;

  std::atomic<std::size_t> left_out_{0}, silent_{0};
  std::atomic<std::uint64_t> unseen_count_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  BusyProcesses busy_;  // guarded by mutex_
  // Guarded by mutex_, too:
  std::map<pid_t, std::map<std::string, std::uint64_t>> unseen_;  // connections by host
  bool unseen_news_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace llmtap
