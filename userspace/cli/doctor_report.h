// SPDX-License-Identifier: Apache-2.0
//
// What `doctor` found out, and how it is shown. Collecting has effects, showing has none.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

#include "parsers/core/call_record.h"
#include "userspace/capture/kernel_features.h"
#include "userspace/capture/process_watch.h"

namespace llmtap {

// One thing that the host has or lacks.
struct HostCheck {
  std::string name;
  bool good = false;
  std::string found;
  std::string advice;  // what to do about it; empty if nothing needs to be done
};

struct ProcessReport {
  ProcessInfo process;
  std::vector<TlsFile> files;  // only those with TLS
  std::size_t https = 0;       // open HTTPS connections, where no TLS was found
  std::string remark;          // why nothing can be seen, if that is so; one line
  std::string note;            // what the running daemon says about it
};

struct DoctorReport {
  std::vector<HostCheck> host;
  bool able = false;  // the host can capture
  std::vector<ProcessReport> processes;
  std::size_t without_tls = 0;  // processes that were looked at and left out
  bool settled = true;          // false: some files were still being searched
};

// `pids` empty: every process with something to say about its TLS. Takes up to some seconds.
DoctorReport examine_host(const std::vector<pid_t>& pids);

std::vector<HostCheck> host_checks(const KernelFeatures& features, const std::string& degraded);

struct DoctorStyle {
  bool color = false;
  bool sites = false;       // a line for every site
  std::size_t columns = 0;  // of the terminal: a narrow one gets less; 0: everything
};
std::string to_text(const DoctorReport& report, const DoctorStyle& style);
std::string to_json(const DoctorReport& report);

}  // namespace llmtap
