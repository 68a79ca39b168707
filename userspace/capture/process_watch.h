// SPDX-License-Identifier: Apache-2.0
//
// Finds the processes of this machine that carry TLS, and has their files probed: those that run
// already, those that start, and libraries that are loaded late. Reacts to the kernel's own record
// of every executable mapping (perf_records.h), within milliseconds.
//
// A file is probed once, however many processes map it; it is let go some time after the last one
// is gone. Threads: one reads records, decides quickly and attaches; one searches large files.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "parsers/core/result.h"
#include "userspace/capture/process_files.h"
#include "userspace/capture/tls_files.h"

namespace llmtap {

// Told about processes as they come and go; called from the watch's threads, quickly.
class ProcessListener {
 public:
  virtual ~ProcessListener() = default;
  virtual void process_seen(pid_t pid) = 0;  // started, runs another image, or was found running
  virtual void process_gone(pid_t pid) = 0;  // ended, or its image did: then it is seen again
};

struct WatchOptions {
  bool at_start = true;  // look at running processes and at this host's libraries first
  // Hold every program that was never seen until it is probed (exec_guard.h).
  bool hold_exec = false;
  TlsFilesOptions files;
};

class ProcessWatch {
 public:
  // `attacher` and `listener` (may be null) must outlive the watch. Without the right to open perf
  // events the watch polls /proc instead: slower(), and says why.
  static Result<std::unique_ptr<ProcessWatch>> start(ProbeAttacher& attacher,
                                                     ProcessListener* listener,
                                                     const WatchOptions& options = {});
  ~ProcessWatch();  // ends the threads; attached probes stay attached

  // Why new processes are noticed late, or not held as asked for; empty if all is well.
  std::string degraded() const;
  std::vector<ProcessTls> processes() const;
  // Takes the probes of these processes away, and gives them back to those left out before. Files
  // that they share with more than ProcessFiles::kMostSharers others stay probed, for all. Returns
  // the processes that are unhooked now. New processes are hooked as ever, shared files a moment
  // after they map them (elsewhere they are probed beforehand).
  std::set<pid_t> leave_out(const std::set<pid_t>& pids);

  // Probes what will run when `program` is started here, so that its first call is seen;
  // wait_until_settled() then waits for that, too.
  void prepare(const std::string& program);
  // Until everything that was running at the start has been looked at; false: it takes longer.
  bool wait_until_settled(std::chrono::milliseconds timeout);
  // Records that the kernel dropped because we were slow (all of /proc is read again then).
  std::uint64_t lost_records() const;

 private:
  struct State;
  explicit ProcessWatch(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace llmtap
