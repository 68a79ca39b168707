// SPDX-License-Identifier: Apache-2.0
//
// Creates uprobe links by bpf(2) itself: the packaged libbpf (1.1) knows neither uprobe_multi
// (1.3) nor sessions (1.6). A link lives as long as its descriptor.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "parsers/core/result.h"
#include "userspace/base/fd.h"

namespace llmtap {

// enum bpf_attach_type of kernels newer than the packaged headers.
inline constexpr std::uint32_t kAttachUprobeMulti = 48;    // Linux 6.6
inline constexpr std::uint32_t kAttachUprobeSession = 57;  // Linux 6.13

// Offsets in the file, one cookie each.
struct MultiProbe {
  std::string path;  // also /proc/self/fd/N, for files that are unlinked or in another namespace
  std::span<const std::uint64_t> offsets;
  std::span<const std::uint64_t> cookies;
  int pid = 0;  // 0: every process
  bool at_return = false;
};

// One link for all offsets. `attach_type` is the one that the program was loaded with.
Result<Fd> link_uprobe_multi(int program, std::uint32_t attach_type, const MultiProbe& probe);

// One perf event and link per probe: the fallback. Slow to close (an RCU wait each).
Result<Fd> link_uprobe_perf(int program, const std::string& path, std::uint64_t offset,
                            std::uint64_t cookie, bool at_return, int pid = 0);

// Whether BPF_LINK_CREATE of this kernel knows the attach type. Needs the right to load programs.
bool kernel_has_attach_type(std::uint32_t attach_type);

}  // namespace llmtap
