// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/kernel_source.h"

#include <bpf/bpf.h>
#include <llmtap.skel.h>
#include <poll.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>

#include "userspace/base/clock.h"
#include "userspace/capture/attachment.h"
#include "userspace/capture/site_counters.h"
#include "userspace/capture/socket_join.h"

namespace llmtap {
namespace {

struct SkeletonDeleter {
  void operator()(llmtap_bpf* skeleton) const { llmtap_bpf::destroy(skeleton); }
};
struct RingDeleter {
  void operator()(ring_buffer* ring) const { ring_buffer__free(ring); }
};
using Skeleton = std::unique_ptr<llmtap_bpf, SkeletonDeleter>;

int say_nothing(libbpf_print_level, const char*, va_list) { return 0; }
int say_all(libbpf_print_level level, const char* format, va_list args) {
  return level == LIBBPF_DEBUG ? 0 : std::vfprintf(stderr, format, args);
}

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
      {progs.aead_session, session, kAttachUprobeSession},
      {progs.aead_multi_enter, multi, kAttachUprobeMulti},
      {progs.aead_multi_leave, multi, kAttachUprobeMulti},
      {progs.aead_perf_enter, perf, 0},
      {progs.aead_perf_leave, perf, 0},
  };
}

void choose_programs(llmtap_bpf& skeleton, AttachMode mode, bool targets_only) {
  for (const auto& variant : variants_of(skeleton, mode)) {
    bpf_program__set_autoload(variant.program, variant.wanted);
    bpf_program__set_expected_attach_type(variant.program,
                                          static_cast<bpf_attach_type>(variant.attach_type));
  }
  bpf_program__set_autoload(skeleton.progs.process_fork, targets_only);
}

ProgramSet programs_of(const llmtap_bpf& skeleton, AttachMode mode) {
  const auto& progs = skeleton.progs;
  const auto pair = [](const bpf_program* enter, const bpf_program* leave, std::uint32_t type) {
    return ProgramPair{bpf_program__fd(enter), leave ? bpf_program__fd(leave) : -1, type};
  };
  const ProgramPair go_multi = pair(progs.go_multi, nullptr, kAttachUprobeMulti);
  switch (mode) {
    case AttachMode::kSession:
      return {mode, pair(progs.call_session, nullptr, kAttachUprobeSession), go_multi,
              pair(progs.aead_session, nullptr, kAttachUprobeSession)};
    case AttachMode::kMulti:
      return {mode, pair(progs.call_multi_enter, progs.call_multi_leave, kAttachUprobeMulti),
              go_multi, pair(progs.aead_multi_enter, progs.aead_multi_leave, kAttachUprobeMulti)};
    case AttachMode::kPerf:
      return {mode, pair(progs.call_perf_enter, progs.call_perf_leave, 0),
              pair(progs.go_perf, nullptr, 0),
              pair(progs.aead_perf_enter, progs.aead_perf_leave, 0)};
  }
  return {};
}

Status start_tracepoint(bpf_program* program, bpf_link** link) {
  *link = bpf_program__attach(program);
  if (*link != nullptr) return Unit{};
  return Error{std::string("cannot attach tracepoint program ") + bpf_program__name(program) +
               ": " + std::strerror(errno)};
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

Chunk to_chunk(const tls_event& event, const char* payload, const UnixTime& time) {
  Chunk chunk;
  chunk.conn = {event.tgid, event.conn, event.generation};
  chunk.direction = event.direction == TLS_READ ? Direction::kRead : Direction::kWrite;
  chunk.offset = event.offset;
  chunk.begin_ns = time.from_monotonic(event.begin_ns);
  chunk.end_ns = time.from_monotonic(event.end_ns);
  switch (event.kind) {
    case TLS_EVENT_CLOSE: chunk.kind = ChunkKind::kClose; break;
    case TLS_EVENT_EXIT:
    case TLS_EVENT_EXEC: chunk.kind = ChunkKind::kProcessExit; break;
    default:
      chunk.kind = ChunkKind::kData;
      chunk.bytes = {payload, event.captured};
      chunk.missing = event.len - event.captured;
  }
  return chunk;
}

}  // namespace

struct KernelSource::State {
  Skeleton skeleton;
  AttachMode mode = AttachMode::kSession;
  ProgramSet programs;
  std::unique_ptr<SiteCounters> counters;
  std::unique_ptr<ring_buffer, RingDeleter> ring;

  mutable std::mutex mutex;
  std::map<AttachmentId, Attachment> attachments;  // guarded by mutex
  AttachmentId last_id = 0;                        // guarded by mutex

  UnixTime time;
  SocketJoin join;
  const OnChunk* on_chunk = nullptr;  // during poll
  std::size_t delivered = 0;

  // From the first library with record keys on.
  Status watch_syscalls() {
    const std::lock_guard lock(mutex);
    if (skeleton->links.record_syscall != nullptr) return Unit{};
    return start_tracepoint(skeleton->progs.record_syscall, &skeleton->links.record_syscall);
  }

  void deliver(const Chunk& chunk) {
    ++delivered;
    (*on_chunk)(chunk);
  }

  void joined(const tls_event& key, const char* data) {
    tls_join event;
    std::memcpy(&event, data, sizeof(event));
    join.join({key.tgid, key.conn, key.generation}, {key.tgid, event.conn, event.generation},
              key.offset, [this](const Chunk& chunk) { deliver(chunk); });
  }

  static int on_event(void* context, void* data, std::size_t size) {
    auto& self = *static_cast<State*>(context);
    const auto* bytes = static_cast<const char*>(data);
    tls_event event;
    if (size < sizeof(event)) return 0;
    std::memcpy(&event, data, sizeof(event));
    if (event.kind == TLS_EVENT_JOIN) {
      if (size >= sizeof(tls_join)) self.joined(event, bytes);
      return 0;
    }
    if (event.captured > size - sizeof(event) || event.len < event.captured) return 0;
    const OnChunk deliver = [&self](const Chunk& chunk) { self.deliver(chunk); };
    const Chunk chunk = to_chunk(event, bytes + sizeof(event), self.time);
    if (event.flags & TLS_FLAG_UNJOINED) {
      self.join.hold(chunk, deliver);
      return 0;
    }
    if (chunk.kind == ChunkKind::kProcessExit) self.join.end(event.tgid, deliver);
    self.deliver(chunk);
    return 0;
  }
};

Result<std::unique_ptr<KernelSource>> KernelSource::open(const KernelOptions& options) {
  const KernelFeatures features = probe_kernel();
  if (!features.best()) return Error{features.why_not()};
  auto state = std::make_unique<State>();
  state->mode = options.mode.value_or(*features.best());

  libbpf_set_print(options.verbose ? say_all : say_nothing);
  state->skeleton.reset(llmtap_bpf::open());
  if (!state->skeleton) return Error{"the embedded eBPF object cannot be opened"};
  auto& skeleton = *state->skeleton;
  choose_programs(skeleton, state->mode, options.targets_only);
  skeleton.rodata->targets_only = options.targets_only;
  bpf_map__set_max_entries(skeleton.maps.events, options.ring_bytes);
  bpf_map__set_max_entries(skeleton.maps.conns, options.connections);
  if (const int error = llmtap_bpf::load(&skeleton); error != 0) {
    return Error{std::string("the kernel refused the eBPF programs: ") + std::strerror(-error) +
                 " (kernel " + features.release + ", " + name(state->mode) + ")"};
  }
  if (run_program(bpf_program__fd(skeleton.progs.set_own_tgid), nullptr, 0) != 0) {
    return Error{"the kernel cannot run syscall programs: needs Linux 5.14"};
  }
  state->programs = programs_of(skeleton, state->mode);
  state->counters = std::make_unique<SiteCounters>(bpf_map__fd(skeleton.maps.sites));
  state->ring.reset(ring_buffer__new(bpf_map__fd(skeleton.maps.events), &State::on_event,
                                     state.get(), nullptr));
  if (!state->ring) return Error{std::string("cannot map the ring buffer: ") + std::strerror(errno)};
  if (auto started = start_tracepoints(skeleton); !started) return started.error();
  return std::unique_ptr<KernelSource>(new KernelSource(std::move(state)));
}

KernelSource::KernelSource(std::unique_ptr<State> state) : state_(std::move(state)) {}
KernelSource::~KernelSource() = default;

AttachMode KernelSource::mode() const { return state_->mode; }

Result<AttachmentId> KernelSource::attach(const std::string& path, const ProbePlan& plan,
                                          pid_t pid) {
  if (std::any_of(plan.sites.begin(), plan.sites.end(),
                  [](const ProbeSite& site) { return is_aead(site.cookie); })) {
    if (auto started = state_->watch_syscalls(); !started) return started.error();
  }
  auto attachment = Attachment::create(path, plan, pid, state_->programs, *state_->counters);
  if (!attachment) return attachment.error();
  const std::lock_guard lock(state_->mutex);
  const AttachmentId id = ++state_->last_id;
  state_->attachments.emplace(id, std::move(*attachment));
  return id;
}

void KernelSource::detach(AttachmentId id) {
  std::map<AttachmentId, Attachment>::node_type gone;  // closed outside the lock: it may wait
  const std::lock_guard lock(state_->mutex);
  gone = state_->attachments.extract(id);
}

std::vector<SiteHits> KernelSource::hits(AttachmentId id) const {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->attachments.find(id);
  return found == state_->attachments.end() ? std::vector<SiteHits>{} : found->second.hits();
}

Result<std::size_t> KernelSource::poll(std::chrono::milliseconds timeout, const OnChunk& on_chunk) {
  state_->time.follow();
  state_->delivered = 0;
  state_->on_chunk = &on_chunk;
  pollfd waiting{ring_buffer__epoll_fd(state_->ring.get()), POLLIN, 0};
  if (::poll(&waiting, 1, static_cast<int>(timeout.count())) > 0) {
    constexpr timespec kGather{0, 1'000'000};
    nanosleep(&kGather, nullptr);
  }
  const int result = ring_buffer__consume(state_->ring.get());
  if (!state_->join.empty()) {
    state_->join.expire(unix_ns(), [this](const Chunk& chunk) { state_->deliver(chunk); });
  }
  if (result < 0) return Error{std::string("cannot read the ring buffer: ") + std::strerror(-result)};
  return state_->delivered;
}

bool KernelSource::set_verdict(const ConnId& conn, tls_verdict verdict) {
  tls_set_verdict want{};
  want.conn = conn.conn;
  want.generation = conn.generation;
  want.tgid = conn.tgid;
  want.verdict = verdict;
  return run_program(bpf_program__fd(state_->skeleton->progs.set_verdict), &want, sizeof(want)) == 0;
}

Status KernelSource::add_target(pid_t tgid) {
  const auto key = static_cast<std::uint32_t>(tgid);
  const std::uint8_t one = 1;
  if (bpf_map_update_elem(bpf_map__fd(state_->skeleton->maps.targets), &key, &one, BPF_ANY) != 0) {
    return Error{std::string("cannot add a target process: ") + std::strerror(errno)};
  }
  return Unit{};
}

LossLedger KernelSource::losses() const {
  constexpr std::array<LossReason, TLS_DROP_REASONS> kReasons = {
      LossReason::kRingFull,  LossReason::kUserFault,       LossReason::kTooLong,
      LossReason::kStateFull, LossReason::kUnmatchedReturn, LossReason::kWrongSite};
  LossLedger ledger;
  std::vector<tls_drop_count> per_cpu(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  for (std::uint32_t i = 0; i < kReasons.size(); ++i) {
    if (bpf_map_lookup_elem(bpf_map__fd(state_->skeleton->maps.drops), &i, per_cpu.data()) != 0) {
      continue;
    }
    for (const auto& one : per_cpu) ledger.add(kReasons[i], one.bytes, one.times);
  }
  return ledger;
}

}  // namespace llmtap
