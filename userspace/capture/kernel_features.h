// SPDX-License-Identifier: Apache-2.0
//
// What this kernel and this process may do: chooses the way of attaching, and feeds `doctor`.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace llmtap {

enum class AttachMode {
  kSession,  // one program for entry and return, one link per file (Linux 6.13)
  kMulti,    // one link for entries and one for returns per file (Linux 6.6)
  kPerf,     // a perf event and a link per probe
};
const char* name(AttachMode mode);

struct KernelFeatures {
  std::string release;    // uname -r
  bool btf = false;       // /sys/kernel/btf/vmlinux
  bool may_load = false;  // a program could be loaded
  bool session = false;
  bool multi = false;
  bool perf = false;     // the perf event source exists; the right to use it shows at attach
  bool sockets = false;  // sockets_can_be_seen(): plain HTTP, rustls, addresses
  std::string lockdown;  // "none", "integrity", "confidentiality", or "" when not built in
  std::vector<std::string> missing_capabilities;
  bool host_pids = true;  // /proc shows the processes of the whole host

  // The best way to attach, or nothing: then why_not says in one line what to do.
  std::optional<AttachMode> best() const;
  std::string why_not() const;
  // What is not seen although programs load, and what to do, in one line; "" when everything is.
  std::string blind_spot() const;
};

KernelFeatures probe_kernel();

// The socket layer says how many bytes a send or receive has moved (Linux 6.3).
bool sockets_can_be_seen();

}  // namespace llmtap
