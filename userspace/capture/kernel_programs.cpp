// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/kernel_programs.h"

#include <bpf/bpf.h>
#include <llmtap.skel.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace llmtap {
namespace {

// One program for one way of attaching: only those of the chosen way are loaded.
struct Variant {
  bpf_program* program;
  bool wanted;
  std::uint32_t attach_type;  // of links; 0: perf event
};

std::vector<Variant> variants_of(const llmtap_bpf& skeleton, AttachMode mode) {
  const auto& progs = skeleton.progs;
  const bool session = mode == AttachMode::kSession, multi = mode == AttachMode::kMulti;
  const bool perf = mode == AttachMode::kPerf;
  return {
      {progs.call_session, session, kAttachUprobeSession},
      {progs.call_multi_enter, multi, kAttachUprobeMulti},
      {progs.call_multi_leave, multi, kAttachUprobeMulti},
      {progs.call_perf_enter, perf, 0},
      {progs.call_perf_leave, perf, 0},
      {progs.go_multi, !perf, kAttachUprobeMulti},
      {progs.go_perf, perf, 0},
      {progs.hello_multi, !perf, kAttachUprobeMulti},
      {progs.hello_perf, perf, 0},
      {progs.aead_session, session, kAttachUprobeSession},
      {progs.aead_multi_enter, multi, kAttachUprobeMulti},
      {progs.aead_multi_leave, multi, kAttachUprobeMulti},
      {progs.aead_perf_enter, perf, 0},
      {progs.aead_perf_leave, perf, 0},
  };
}

Status start_tracepoint(bpf_program* program, bpf_link** link) {
  *link = bpf_program__attach(program);
  if (*link != nullptr) return Unit{};
  return Error{std::string("cannot attach tracepoint program ") + bpf_program__name(program) +
               ": " + std::strerror(errno)};
}

}  // namespace

void choose_programs(llmtap_bpf& skeleton, AttachMode mode, bool targets_only) {
  for (const auto& variant : variants_of(skeleton, mode)) {
    bpf_program__set_autoload(variant.program, variant.wanted);
    bpf_program__set_expected_attach_type(variant.program,
                                          static_cast<bpf_attach_type>(variant.attach_type));
  }
  bpf_program__set_autoload(skeleton.progs.process_fork, targets_only);
}

// Linux 6.3: the socket layer says how many bytes moved. Without it sockets are not looked at.
bool choose_sockets(llmtap_bpf& skeleton) {
  const bool able = sockets_can_be_seen();
  for (bpf_program* program :
       {skeleton.progs.socket_state, skeleton.progs.socket_sent, skeleton.progs.socket_read,
        skeleton.progs.socket_gone, skeleton.progs.socket_find}) {
    bpf_program__set_autoload(program, able);
  }
  return able;
}

ProgramSet programs_of(const llmtap_bpf& skeleton, AttachMode mode) {
  const auto& progs = skeleton.progs;
  const auto pair = [](const bpf_program* enter, const bpf_program* leave, std::uint32_t type) {
    return ProgramPair{bpf_program__fd(enter), leave ? bpf_program__fd(leave) : -1, type};
  };
  const auto one = [&pair, mode](const bpf_program* multi, const bpf_program* perf) {
    return mode == AttachMode::kPerf ? pair(perf, nullptr, 0)
                                     : pair(multi, nullptr, kAttachUprobeMulti);
  };
  ProgramSet set;
  set.mode = mode;
  set.go = one(progs.go_multi, progs.go_perf);
  set.hello = one(progs.hello_multi, progs.hello_perf);
  switch (mode) {
    case AttachMode::kSession:
      set.calls = pair(progs.call_session, nullptr, kAttachUprobeSession);
      set.aead = pair(progs.aead_session, nullptr, kAttachUprobeSession);
      break;
    case AttachMode::kMulti:
      set.calls = pair(progs.call_multi_enter, progs.call_multi_leave, kAttachUprobeMulti);
      set.aead = pair(progs.aead_multi_enter, progs.aead_multi_leave, kAttachUprobeMulti);
      break;
    case AttachMode::kPerf:
      set.calls = pair(progs.call_perf_enter, progs.call_perf_leave, 0);
      set.aead = pair(progs.aead_perf_enter, progs.aead_perf_leave, 0);
      break;
  }
  return set;
}

Status start_tracepoints(llmtap_bpf& skeleton) {
  struct Tracepoint {
    bpf_program* program;
    bpf_link** link;
  };
  const Tracepoint tracepoints[] = {{skeleton.progs.process_exit, &skeleton.links.process_exit},
                                    {skeleton.progs.process_exec, &skeleton.links.process_exec},
                                    {skeleton.progs.process_fork, &skeleton.links.process_fork}};
  for (const auto& t : tracepoints) {
    if (!bpf_program__autoload(t.program)) continue;
    if (auto started = start_tracepoint(t.program, t.link); !started) return started;
  }
  return Unit{};
}

// Runs a program of type `syscall` once; its return value, or a negative errno.
int run_program(int program, void* context, std::size_t size) {
  bpf_test_run_opts options{};
  options.sz = sizeof(options);
  options.ctx_in = context;
  options.ctx_size_in = static_cast<std::uint32_t>(size);
  const int error = bpf_prog_test_run_opts(program, &options);
  return error != 0 ? error : static_cast<int>(options.retval);
}

}  // namespace llmtap
