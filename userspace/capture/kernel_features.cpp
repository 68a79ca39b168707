// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/kernel_features.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <fstream>
#include <utility>

#include "userspace/base/fd.h"
#include "userspace/capture/probe_link.h"

namespace llmtap {
namespace {

// linux/capability.h
constexpr std::array<std::pair<int, const char*>, 4> kCapabilities = {{
    {39, "CAP_BPF"},
    {38, "CAP_PERFMON"},
    {19, "CAP_SYS_PTRACE"},      // other processes' /proc/PID/root and map_files
    {2, "CAP_DAC_READ_SEARCH"},  // files in other users' containers
}};
constexpr int kSysAdmin = 21;

std::uint64_t effective_capabilities() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with("CapEff:")) return std::stoull(line.substr(7), nullptr, 16);
  }
  return 0;
}

std::vector<std::string> missing_capabilities() {
  const std::uint64_t have = effective_capabilities();
  const bool admin = have >> kSysAdmin & 1;
  std::vector<std::string> missing;
  for (const auto& [bit, name] : kCapabilities) {
    const bool implied = admin && bit >= 38;  // CAP_BPF and CAP_PERFMON
    if (!implied && !(have >> bit & 1)) missing.emplace_back(name);
  }
  return missing;
}

// "none [integrity] confidentiality": the one in brackets holds.
std::string lockdown() {
  std::ifstream file("/sys/kernel/security/lockdown");
  std::string text;
  std::getline(file, text);
  const auto open = text.find('['), close = text.find(']');
  if (open == std::string::npos || close == std::string::npos || close < open) return "";
  return text.substr(open + 1, close - open - 1);
}

// Probes report pids of the host; a container's /proc has its own (linux/proc_ns.h).
bool sees_host_pids() {
  constexpr ino_t kInitialNamespace = 0xEFFFFFFC;  // PROC_PID_INIT_INO
  struct stat status{};
  return ::stat("/proc/self/ns/pid", &status) != 0 || status.st_ino == kInitialNamespace;
}

bool may_load_programs() {
  const bpf_insn nothing[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0},
                              {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  return static_cast<bool>(
      Fd(bpf_prog_load(BPF_PROG_TYPE_KPROBE, "probe", "GPL", nothing, 2, nullptr)));
}

}  // namespace

const char* name(AttachMode mode) {
  switch (mode) {
    case AttachMode::kSession:
      return "uprobe session";
    case AttachMode::kMulti:
      return "uprobe_multi";
    case AttachMode::kPerf:
      return "perf event";
  }
  return "";
}

std::optional<AttachMode> KernelFeatures::best() const {
  if (!btf || !may_load || lockdown == "confidentiality") return std::nullopt;
  if (session) return AttachMode::kSession;
  if (multi) return AttachMode::kMulti;
  if (perf) return AttachMode::kPerf;
  return std::nullopt;
}

std::string KernelFeatures::why_not() const {
  if (best()) return "";
  if (lockdown == "confidentiality") {
    return "kernel lockdown is 'confidentiality', which forbids reading user memory: boot with "
           "lockdown=integrity";
  }
  if (!may_load) {
    std::string names;
    for (const auto& missing : missing_capabilities) names += " " + missing;
    return "eBPF programs cannot be loaded: run as root" +
           (names.empty() ? " in the host's user namespace, with CONFIG_BPF_SYSCALL"
                          : ", or add" + names);
  }
  if (!btf) return "the kernel has no BTF (/sys/kernel/btf/vmlinux): needs CONFIG_DEBUG_INFO_BTF";
  return "the kernel has no uprobes: needs CONFIG_UPROBES and CONFIG_UPROBE_EVENTS";
}

std::string KernelFeatures::blind_spot() const {
  if (!host_pids) {
    return "the host's other processes are hidden: run in its PID namespace (--pid=host, "
           "hostPID: true)";
  }
  std::string names;
  for (const auto& missing : missing_capabilities) names += " " + missing;
  return names.empty() ? "" : "other users' processes may be hidden: add" + names;
}

bool sockets_can_be_seen() {
  const auto said = libbpf_set_print(nullptr);  // it would complain on stderr
  const bool able = libbpf_find_vmlinux_btf_id("sock_send_length", BPF_TRACE_RAW_TP) > 0;
  libbpf_set_print(said);
  return able;
}

KernelFeatures probe_kernel() {
  KernelFeatures features;
  utsname uts{};
  if (uname(&uts) == 0) features.release = uts.release;
  features.btf = access("/sys/kernel/btf/vmlinux", R_OK) == 0;
  features.may_load = may_load_programs();
  features.session = features.may_load && kernel_has_attach_type(kAttachUprobeSession);
  features.multi = features.may_load && kernel_has_attach_type(kAttachUprobeMulti);
  features.perf = access("/sys/bus/event_source/devices/uprobe/type", R_OK) == 0;
  features.lockdown = lockdown();
  features.missing_capabilities = missing_capabilities();
  features.sockets = sockets_can_be_seen();
  features.host_pids = sees_host_pids();
  return features;
}

}  // namespace llmtap
