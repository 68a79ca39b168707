// SPDX-License-Identifier: Apache-2.0
//
// The kernel's own account of processes and executable mappings, for the whole machine: the records
// that perf(1) uses to name samples (perf_event_open(2): COMM, FORK, EXIT, MMAP2), without any
// sampling. A process id is the one of the pid namespace that open() ran in.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "parsers/core/result.h"

namespace llmtap {

// What the kernel knows a mapped file by. The numbers are those of /proc/PID/maps, which on stacked
// file systems differ from stat(2)'s. `generation` tells reuses of an inode number apart; 0:
// unknown.
struct MappedInode {
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  std::uint64_t inode = 0;
  std::uint64_t generation = 0;

  auto operator<=>(const MappedInode&) const = default;
};

struct ProcessRecord {
  enum class Kind : std::uint8_t {
    kExec,  // `pid` runs another image; its mappings follow
    kMap,   // `pid` maps a file executable
    kFork,  // `parent` made `pid`
    kExit,  // the last but possibly not the only thread of `pid`: its leader
    kLost,  // records were dropped: look at everything again
  };
  Kind kind = Kind::kLost;
  std::uint64_t time_ns = 0;  // CLOCK_MONOTONIC
  pid_t pid = 0;
  pid_t parent = 0;
  MappedInode file;
  std::uint64_t begin = 0;  // of the mapping
  std::uint64_t end = 0;
  std::string path;  // as the process sees it; " (deleted)" at the end if unlinked
  std::uint64_t lost = 0;
};

class PerfRecords {
 public:
  // Needs CAP_PERFMON (or CAP_SYS_ADMIN, or kernel.perf_event_paranoid <= 0).
  static Result<PerfRecords> open();
  PerfRecords(PerfRecords&&) noexcept;
  PerfRecords& operator=(PerfRecords&&) noexcept;
  ~PerfRecords();

  // Readable as soon as there is a record; one per CPU.
  const std::vector<int>& descriptors() const { return descriptors_; }

  // Everything that was there when it was called, in order of time, over calls as well.
  std::vector<ProcessRecord> read();
  // The last read() has left some behind; poll(2) does not say so again.
  bool more() const { return more_; }

 private:
  struct Ring;
  PerfRecords();

  std::vector<std::unique_ptr<Ring>> rings_;
  std::vector<int> descriptors_;
  bool more_ = false;
};

}  // namespace llmtap
