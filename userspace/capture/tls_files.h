// SPDX-License-Identifier: Apache-2.0
//
// The executable files of this machine's processes: which of them carry TLS, the probes in them,
// and who still maps them. A file is known by {device, inode} and looked at once; an answer of "no
// TLS here" is remembered. Probes go when nobody has mapped the file for a while.
//
// Looking at a file has two stages. Symbols take milliseconds; small files get them at once, large
// ones on a thread of their own. The search by meaning takes up to a second on another thread, one
// file at a time. Thread safe.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "parsers/core/result.h"
#include "userspace/base/fd.h"
#include "userspace/capture/probe_site.h"

namespace llmtap {

// Puts probes into files. Called from several threads, also at the same time.
class ProbeAttacher {
 public:
  virtual ~ProbeAttacher() = default;
  // All sites of the plan in the file at `path` (valid during the call). The id is never 0.
  virtual Result<std::uint64_t> attach(const std::string& path, const ProbePlan& plan) = 0;
  // Likewise, in one process only.
  virtual Result<std::uint64_t> attach_in(const std::string&, const ProbePlan&, pid_t) {
    return Error{"probes cannot be placed in one process alone"};
  }
  virtual void detach(std::uint64_t id) = 0;
};

struct TlsFilesOptions {
  std::chrono::milliseconds keep_unused{60'000};       // probes of files that nobody maps any more
  std::size_t most_probed = 1024;                      // files
  std::string rcu_knob = "/sys/kernel/rcu_expedited";  // grace_periods.h; empty: leave it alone
};

// A file in which TLS was found, or refused with a reason.
struct TlsFile {
  FileId id;
  std::string path;                        // as the process that showed it first sees it
  ProbePlan plan;                          // of both stages
  std::vector<std::uint64_t> attachments;  // in every process
  // Probed in these processes only; see narrow().
  std::optional<std::set<pid_t>> only;
  bool searching = false;  // there may be more to find
  std::string error;       // why attaching failed

  // Plaintext shows at its sites; false for what only counts unseen connections.
  bool readable() const {
    for (const auto& site : plan.sites)
      if (TLS_COOKIE_LIBRARY(site.cookie) != TLS_LIB_JSSE) return true;
    return false;
  }
  bool hooks(pid_t pid) const { return only ? only->count(pid) != 0 : !attachments.empty(); }
};

class TlsFiles {
 public:
  // `attacher` must outlive this.
  explicit TlsFiles(ProbeAttacher& attacher, const TlsFilesOptions& options = {});
  ~TlsFiles();  // ends the threads; attached probes stay attached

  // Looks at the open file unless it is known and unchanged. Nothing: it cannot be looked at.
  std::optional<FileId> examine(Fd file, const std::string& path);
  // False: the file is not known, or changed since; examine it (again).
  bool is_current(const FileId& id);

  // A process maps it; process `pid` does not any more, and probes in it alone go. Unknown ids are
  // ignored.
  void retain(const FileId& id);
  void release(const FileId& id, pid_t pid);

  // Probes the file in these processes only, until told otherwise; nothing: in every one that maps
  // it, now and later. On errors all stays as it was. Calls of other processes are seen throughout.
  Status narrow(const FileId& id, const std::optional<std::set<pid_t>>& pids);

  std::optional<TlsFile> tls(const FileId& id) const;
  // Every file with TLS, mapped or not.
  std::vector<TlsFile> all() const;
  // No stage is under way: with any file; with this one (true for unknown files).
  bool idle() const;
  bool is_done(const FileId& id) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace llmtap
