// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/probe_link.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace llmtap {
namespace {

// union bpf_attr for BPF_LINK_CREATE with uprobe_multi (linux/bpf.h of Linux 6.6).
struct MultiLinkAttr {
  std::uint32_t program;
  std::uint32_t target;
  std::uint32_t attach_type;
  std::uint32_t link_flags;
  std::uint64_t path;
  std::uint64_t offsets;
  std::uint64_t ref_ctr_offsets;
  std::uint64_t cookies;
  std::uint32_t count;
  std::uint32_t flags;
  std::uint32_t pid;
  std::uint32_t zero;
};
constexpr std::uint32_t kMultiReturn = 1;  // BPF_F_UPROBE_MULTI_RETURN

std::uint64_t address(const void* pointer) { return reinterpret_cast<std::uint64_t>(pointer); }

long sys_bpf_link_create(MultiLinkAttr& attr) {
  return syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr) - sizeof(attr.zero));
}

Error failed(const std::string& path, int error) {
  std::string hint;
  if (error == EPERM || error == EACCES) {
    hint = "; needs root, or CAP_BPF and CAP_PERFMON (perf-event probes: CAP_SYS_ADMIN)";
  } else if (error == ENOENT) {
    hint = "; the file is gone";
  } else if (error == EINVAL) {
    hint = "; an offset is no place for a probe, or the kernel lacks this kind of link";
  }
  return Error{"cannot probe " + path + ": " + std::strerror(error) + hint};
}

int read_number(const char* path, const char* prefix) {
  std::ifstream file(path);
  std::string text;
  std::getline(file, text);
  if (!text.starts_with(prefix)) return -1;
  return std::atoi(text.c_str() + std::strlen(prefix));
}

}  // namespace

Result<Fd> link_uprobe_multi(int program, std::uint32_t attach_type, const MultiProbe& probe) {
  MultiLinkAttr attr{};
  attr.program = static_cast<std::uint32_t>(program);
  attr.attach_type = attach_type;
  attr.path = address(probe.path.c_str());
  attr.offsets = address(probe.offsets.data());
  attr.cookies = address(probe.cookies.data());
  attr.count = static_cast<std::uint32_t>(probe.offsets.size());
  attr.flags = probe.at_return ? kMultiReturn : 0;
  attr.pid = static_cast<std::uint32_t>(probe.pid);
  const long fd = sys_bpf_link_create(attr);
  if (fd < 0) return failed(probe.path, errno);
  return Fd(static_cast<int>(fd));
}

Result<Fd> link_uprobe_perf(int program, const std::string& path, std::uint64_t offset,
                            std::uint64_t cookie, bool at_return, int pid) {
  static const int type = read_number("/sys/bus/event_source/devices/uprobe/type", "");
  static const int return_bit =
      read_number("/sys/bus/event_source/devices/uprobe/format/retprobe", "config:");
  if (type < 0 || return_bit < 0) return Error{"this kernel has no uprobe perf events"};

  perf_event_attr event{};
  event.size = sizeof(event);
  event.type = static_cast<std::uint32_t>(type);
  event.config = at_return ? 1ULL << return_bit : 0;
  event.config1 = address(path.c_str());
  event.config2 = offset;
  const long event_fd = syscall(SYS_perf_event_open, &event, pid > 0 ? pid : -1, pid > 0 ? -1 : 0,
                                -1, PERF_FLAG_FD_CLOEXEC);
  if (event_fd < 0) return failed(path, errno);
  const Fd owned(static_cast<int>(event_fd));

  bpf_link_create_opts options{};
  options.sz = sizeof(options);
  options.perf_event.bpf_cookie = cookie;
  const int link = bpf_link_create(program, owned.get(), BPF_PERF_EVENT, &options);
  if (link < 0) return failed(path, -link);
  return Fd(link);  // it keeps the perf event
}

bool kernel_has_attach_type(std::uint32_t attach_type) {
  const bpf_insn nothing[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0},
                              {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  bpf_prog_load_opts options{};
  options.sz = sizeof(options);
  options.expected_attach_type = static_cast<bpf_attach_type>(attach_type);
  const Fd program(bpf_prog_load(BPF_PROG_TYPE_KPROBE, "probe", "GPL", nothing, 2, &options));
  if (!program) return false;
  // A directory cannot be probed: a kernel that knows the type says EBADF, others EINVAL.
  const std::uint64_t offset = 0;
  MultiLinkAttr attr{};
  attr.program = static_cast<std::uint32_t>(program.get());
  attr.attach_type = attach_type;
  attr.path = address("/");
  attr.offsets = address(&offset);
  attr.count = 1;
  const long fd = sys_bpf_link_create(attr);
  if (fd >= 0) ::close(static_cast<int>(fd));
  return fd < 0 && errno == EBADF;
}

}  // namespace llmtap
