// SPDX-License-Identifier: Apache-2.0
//
// Which process maps which of the files that were looked at, hence which probes are wanted; and
// which processes are left out: a file that one of those maps is probed process by process. Thread
// safe.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "userspace/capture/tls_files.h"

namespace llmtap {

struct ProcessTls {
  pid_t pid = 0;
  std::string exe;
  std::vector<TlsFile> files;  // only files in which TLS was found, or was refused with a reason
};

class ProcessFiles {
 public:
  // More sharers than this keep a file probed for all: every link costs each of them a little.
  static constexpr std::size_t kMostSharers = 16;

  // `files` must outlive this.
  explicit ProcessFiles(TlsFiles& files) : files_(files) {}

  void map(pid_t pid, const FileId& id);
  void fork(pid_t parent, pid_t child);  // the child maps what its parent does
  void exec(pid_t pid);                  // after forget(): nothing is mapped yet
  bool forget(pid_t pid);                // it ended, or runs another image; false: was not known
  // Counts up to `most` per process and image; false: enough, or not known.
  bool announce(pid_t pid, int most);
  bool has_tls(pid_t pid) const;

  std::vector<pid_t> pids() const;
  // Every process with TLS.
  std::vector<ProcessTls> tls() const;

  // ProcessWatch::leave_out.
  std::set<pid_t> leave_out(const std::set<pid_t>& pids);
  // Looks again at the files of those left out: who else maps them has changed.
  void follow();

 private:
  struct Process {
    std::vector<FileId> files;  // sorted
    int announced = 0;
  };
  void release(pid_t pid, const Process& process);
  void follow(const std::set<FileId>& mapped);
  std::set<FileId> narrow(const std::set<FileId>& which);
  bool is_hooked(pid_t pid, const Process& process) const;

  TlsFiles& files_;
  std::mutex narrowing_;  // before mutex_
  mutable std::mutex mutex_;
  // Guarded by mutex_:
  std::map<pid_t, Process> processes_;
  std::set<pid_t> left_out_;
  std::set<FileId> narrowed_;  // files of those left out that are probed per process
};

}  // namespace llmtap
