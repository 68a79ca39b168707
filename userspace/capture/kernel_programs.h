// SPDX-License-Identifier: Apache-2.0
//
// Which of the embedded eBPF programs are loaded and run, for one way of attaching. The packaged
// libbpf attaches tracepoints only; the uprobe programs are linked in probe_link.h.
#pragma once

#include <cstddef>

#include "parsers/core/result.h"
#include "userspace/capture/attachment.h"
#include "userspace/capture/kernel_features.h"

struct llmtap_bpf;

namespace llmtap {

// Before load: only what `mode` needs. `targets_only` follows forks.
void choose_programs(llmtap_bpf& skeleton, AttachMode mode, bool targets_only);
// Before load: false, the kernel cannot say how many bytes sockets move (Linux 6.3).
bool choose_sockets(llmtap_bpf& skeleton);
// After load.
ProgramSet programs_of(const llmtap_bpf& skeleton, AttachMode mode);
Status start_tracepoints(llmtap_bpf& skeleton);

// Runs a program of type `syscall` once; its return value, or a negative errno.
int run_program(int program, void* context, std::size_t size);

}  // namespace llmtap
