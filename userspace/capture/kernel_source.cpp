// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/kernel_source.h"

#include <bpf/bpf.h>
#include <llmtap.skel.h>
#include <poll.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>

#include "userspace/base/clock.h"
#include "userspace/capture/attachment.h"
#include "userspace/capture/client_hello.h"
#include "userspace/capture/kernel_programs.h"
#include "userspace/capture/ring_reader.h"
#include "userspace/capture/site_counters.h"
#include "userspace/capture/socket_join.h"
#include "userspace/capture/socket_watch.h"

namespace llmtap {
namespace {

struct SkeletonDeleter {
  void operator()(llmtap_bpf* skeleton) const { llmtap_bpf::destroy(skeleton); }
};
using Skeleton = std::unique_ptr<llmtap_bpf, SkeletonDeleter>;

int say_nothing(libbpf_print_level, const char*, va_list) { return 0; }
int say_all(libbpf_print_level level, const char* format, va_list args) {
  return level == LIBBPF_DEBUG ? 0 : std::vfprintf(stderr, format, args);
}

Endpoint to_endpoint(const LLMTAP_U8 (&address)[16], std::uint16_t port) {
  Endpoint endpoint;
  std::copy(std::begin(address), std::end(address), endpoint.address.begin());
  endpoint.port = port;
  return endpoint;
}

Chunk to_chunk(const tls_event& event, const char* payload, const UnixTime& time) {
  Chunk chunk;
  chunk.conn = {event.tgid, event.conn, event.generation};
  chunk.direction = event.direction == TLS_READ ? Direction::kRead : Direction::kWrite;
  chunk.offset = event.offset;
  chunk.begin_ns = time.from_monotonic(event.begin_ns);
  chunk.end_ns = time.from_monotonic(event.end_ns);
  switch (event.kind) {
    case TLS_EVENT_CLOSE:
      chunk.kind = ChunkKind::kClose;
      break;
    case TLS_EVENT_EXIT:
    case TLS_EVENT_EXEC:
      chunk.kind = ChunkKind::kProcessExit;
      break;
    default:
      chunk.kind = ChunkKind::kData;
      chunk.bytes = {payload, event.captured};
      chunk.missing = event.len - event.captured;
  }
  return chunk;
}

// Whether a second probe at the same sites changes nothing: entry and return share a frame.
bool is_idempotent(const ProbePlan& plan) {
  return std::all_of(plan.sites.begin(), plan.sites.end(), [](const ProbeSite& site) {
    return TLS_COOKIE_SHAPE(site.cookie) <= TLS_CALL_EX;
  });
}

}  // namespace

struct KernelSource::State {
  Skeleton skeleton;
  AttachMode mode = AttachMode::kSession;
  ProgramSet programs;
  std::unique_ptr<SiteCounters> counters;
  std::unique_ptr<RingReader> ring;

  mutable std::mutex mutex;
  std::map<AttachmentId, Attachment> attachments;  // guarded by mutex
  AttachmentId last_id = 0;                        // guarded by mutex
  bool stopped = false;                            // guarded by mutex

  UnixTime time;
  SocketJoin join;
  std::unique_ptr<SocketWatch> sockets;  // null: the kernel is too old
  const OnChunk* on_chunk = nullptr;     // during poll
  std::function<void(pid_t, const std::string&)> on_unseen;
  std::size_t delivered = 0;
  std::atomic<std::uint64_t> events{0}, events_refused{0}, bytes_delivered{0};
  std::atomic<std::uint64_t> ring_peak{0};

  // From the first library with record keys on.
  Status require_sockets() {
    return sockets ? sockets->require() : Status{Error{"rustls needs Linux 6.3"}};
  }

  void deliver(const Chunk& chunk) {
    ++delivered;
    bytes_delivered.fetch_add(chunk.bytes.size(), std::memory_order_relaxed);
    (*on_chunk)(chunk);
  }

  void joined(const tls_event& key, const char* data) {
    tls_join event;
    std::memcpy(&event, data, sizeof(event));
    join.join({key.tgid, key.conn, key.generation}, {key.tgid, event.conn, event.generation},
              key.offset, [this](const Chunk& chunk) { deliver(chunk); });
  }

  void addressed(const tls_event& head, const char* data) {
    tls_socket event;
    std::memcpy(&event, data, sizeof(event));
    Chunk chunk = to_chunk(head, nullptr, time);
    chunk.kind = ChunkKind::kSocket;
    chunk.socket = {to_endpoint(event.local, event.local_port),
                    to_endpoint(event.remote, event.remote_port), event.netns, event.inferred != 0};
    deliver(chunk);
  }

  void on_event(const char* data, std::size_t size) {
    tls_event event;
    events.fetch_add(1, std::memory_order_relaxed);
    const bool whole = size >= sizeof(event);
    if (whole) std::memcpy(&event, data, sizeof(event));
    if (whole && event.kind == TLS_EVENT_JOIN && size >= sizeof(tls_join)) {
      return joined(event, data);
    }
    if (whole && event.kind == TLS_EVENT_SOCKET && size >= sizeof(tls_socket)) {
      return addressed(event, data);
    }
    if (!whole || event.captured > size - sizeof(event) || event.len < event.captured) {
      events_refused.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    if (event.kind == TLS_EVENT_HELLO) {
      const auto host = server_name({data + sizeof(event), event.captured});
      if (host && on_unseen) on_unseen(static_cast<pid_t>(event.tgid), *host);
      return;
    }
    const OnChunk on = [this](const Chunk& one) { deliver(one); };
    const Chunk chunk = to_chunk(event, data + sizeof(event), time);
    if (event.flags & TLS_FLAG_UNJOINED) {
      join.hold(chunk, on);
      return;
    }
    if (chunk.kind == ChunkKind::kProcessExit) join.end(event.tgid, on);
    deliver(chunk);
  }
};

Result<std::unique_ptr<KernelSource>> KernelSource::open(const KernelOptions& options) {
  const KernelFeatures features = probe_kernel();
  if (!features.best()) return Error{features.why_not()};
  auto state = std::make_unique<State>();
  state->on_unseen = options.on_unseen;
  state->mode = options.mode.value_or(*features.best());

  libbpf_set_print(options.verbose ? say_all : say_nothing);
  state->skeleton.reset(llmtap_bpf::open());
  if (!state->skeleton) return Error{"the embedded eBPF object cannot be opened"};
  auto& skeleton = *state->skeleton;
  choose_programs(skeleton, state->mode, options.targets_only);
  const bool sockets = choose_sockets(skeleton);
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
  auto ring = RingReader::open(bpf_map__fd(skeleton.maps.events), options.ring_bytes);
  if (!ring) return ring.error();
  state->ring = std::move(*ring);
  if (auto started = start_tracepoints(skeleton); !started) return started.error();
  if (sockets) {
    auto watch = SocketWatch::start(skeleton, options.plain ? &*options.plain : nullptr);
    if (!watch) return watch.error();
    state->sockets = std::move(*watch);
  }
  return std::unique_ptr<KernelSource>(new KernelSource(std::move(state)));
}

KernelSource::KernelSource(std::unique_ptr<State> state) : state_(std::move(state)) {}
KernelSource::~KernelSource() = default;

AttachMode KernelSource::mode() const { return state_->mode; }

Result<AttachmentId> KernelSource::attach(const std::string& path, const ProbePlan& plan,
                                          pid_t pid) {
  // Before Linux 6.11 a link's pid was a thread's; a program for one place would see calls twice.
  if (pid != 0 && (state_->mode != AttachMode::kSession || !is_idempotent(plan)))
    return Error{"probes cannot be placed in one process alone"};
  if (std::any_of(plan.sites.begin(), plan.sites.end(),
                  [](const ProbeSite& site) { return is_aead(site.cookie); })) {
    if (auto started = state_->require_sockets(); !started) return started.error();
  }
  auto attachment = Attachment::create(path, plan, pid, state_->programs, *state_->counters);
  if (!attachment) return attachment.error();
  const std::lock_guard lock(state_->mutex);
  if (state_->stopped) return Error{"capture has been stopped"};
  const AttachmentId id = ++state_->last_id;
  state_->attachments.emplace(id, std::move(*attachment));
  return id;
}

void KernelSource::stop() {
  std::map<AttachmentId, Attachment> gone;
  const std::lock_guard lock(state_->mutex);
  state_->stopped = true;
  if (state_->sockets) state_->sockets->stop();
  gone.swap(state_->attachments);
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
  pollfd waiting{state_->ring->fd(), POLLIN, 0};
  if (::poll(&waiting, 1, static_cast<int>(timeout.count())) > 0) {
    constexpr timespec kGather{0, 1'000'000};
    nanosleep(&kGather, nullptr);
  }
  state_->ring_peak = std::max<std::uint64_t>(state_->ring_peak, state_->ring->waiting());
  const Status consumed = state_->ring->consume(
      [this](const char* data, std::size_t size) { state_->on_event(data, size); });
  if (!state_->join.empty()) {
    state_->join.expire(unix_ns(), [this](const Chunk& chunk) { state_->deliver(chunk); });
  }
  if (!consumed) return consumed.error();
  return state_->delivered;
}

const SocketWatch* KernelSource::sockets() const { return state_->sockets.get(); }

bool KernelSource::set_verdict(const ConnId& conn, tls_verdict verdict) {
  tls_set_verdict want{};
  want.conn = conn.conn;
  want.generation = conn.generation;
  want.tgid = conn.tgid;
  want.verdict = verdict;
  const bool is_socket = (conn.conn & TLS_CONN_SOCKET) != 0;
  if (verdict == TLS_VERDICT_LLM && !is_socket && state_->sockets) state_->sockets->want_address();
  return run_program(bpf_program__fd(state_->skeleton->progs.set_verdict), &want, sizeof(want)) ==
         0;
}

Status KernelSource::add_target(pid_t tgid) {
  const auto key = static_cast<std::uint32_t>(tgid);
  const std::uint8_t one = 1;
  if (bpf_map_update_elem(bpf_map__fd(state_->skeleton->maps.targets), &key, &one, BPF_ANY) != 0) {
    return Error{std::string("cannot add a target process: ") + std::strerror(errno)};
  }
  return Unit{};
}

std::vector<ProcessUse> KernelSource::take_process_use() {
  std::vector<ProcessUse> all;
  if (run_program(bpf_program__fd(state_->skeleton->progs.count_use), nullptr, 0) != 0) return all;
  const int map = bpf_map__fd(state_->skeleton->maps.process_use);
  std::uint32_t tgid = 0;
  while (bpf_map_get_next_key(map, nullptr, &tgid) == 0) {  // always the first: it is deleted
    tls_process_use use{};
    if (bpf_map_lookup_elem(map, &tgid, &use) == 0)
      all.push_back({static_cast<pid_t>(tgid), use.calls, use.llm != 0, use.others != 0});
    if (bpf_map_delete_elem(map, &tgid) != 0) break;
  }
  return all;
}

bool KernelSource::speaks(pid_t pid) const {
  const auto key = static_cast<std::uint32_t>(pid);
  std::uint8_t value = 0;
  return bpf_map_lookup_elem(bpf_map__fd(state_->skeleton->maps.speakers), &key, &value) == 0;
}

CaptureCounts KernelSource::counts() const {
  constexpr std::array<LossReason, TLS_DROP_WITHHELD> kReasons = {
      LossReason::kRingFull,  LossReason::kUserFault,       LossReason::kTooLong,
      LossReason::kStateFull, LossReason::kUnmatchedReturn, LossReason::kWrongSite,
      LossReason::kNoBuffer};
  const State& state = *state_;
  CaptureCounts counts;
  const tls_site_count sites = state.counters->total();
  counts.entered = sites.hits;
  counts.ignored = sites.ignored;
  counts.calls = sites.moved;
  counts.bytes = sites.bytes;
  std::vector<tls_drop_count> per_cpu(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  for (std::uint32_t i = 0; i < TLS_DROP_REASONS; ++i) {
    if (bpf_map_lookup_elem(bpf_map__fd(state.skeleton->maps.drops), &i, per_cpu.data()) != 0)
      continue;
    for (const auto& one : per_cpu) {
      if (i < kReasons.size())
        counts.lost.add(kReasons[i], one.bytes, one.times);
      else
        counts.bytes_withheld += one.bytes;
    }
  }
  counts.events = state.events;
  counts.events_refused = state.events_refused;
  counts.bytes_delivered = state.bytes_delivered;
  counts.ring_peak = state.ring_peak;
  return counts;
}

}  // namespace llmtap
