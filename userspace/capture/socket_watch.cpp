// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/socket_watch.h"

#include <bpf/bpf.h>
#include <llmtap.skel.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "bpf/tls_event.h"
#include "userspace/capture/plain_ports.h"
#include "userspace/capture/process_maps.h"

namespace llmtap {
namespace {

using Clock = std::chrono::steady_clock;
// Addresses come with a connection's next system call, or not at all.
constexpr std::chrono::milliseconds kAddressLinger{2000};
constexpr int kTickMs = 500;
constexpr std::size_t kMostCommand = 4096;  // bytes: the first arguments count

std::int64_t now_ns() { return Clock::now().time_since_epoch().count(); }

Status attach_program(bpf_program* program, bpf_link*& link) {
  if (link != nullptr) return Unit{};
  link = bpf_program__attach(program);
  if (link != nullptr) return Unit{};
  return Error{std::string("cannot attach ") + bpf_program__name(program) + ": " +
               std::strerror(errno)};
}

}  // namespace

Result<std::unique_ptr<SocketWatch>> SocketWatch::start(llmtap_bpf& skeleton,
                                                        const PlainOptions* plain) {
  std::unique_ptr<SocketWatch> watch(new SocketWatch(skeleton));
  watch->wake_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  watch->ring_ = ring_buffer__new(bpf_map__fd(skeleton.maps.socket_news), &SocketWatch::on_news,
                                  watch.get(), nullptr);
  if (!watch->wake_ || watch->ring_ == nullptr) {
    return Error{std::string("cannot watch sockets: ") + std::strerror(errno)};
  }
  if (plain != nullptr) {
    watch->plain_ = *plain;
    for (const auto port : plain->ports) skeleton.bss->plain_ports[port] = 1;
    auto attached = attach_program(skeleton.progs.socket_state, skeleton.links.socket_state);
    if (!attached) return attached.error();
    watch->find_sockets();
    watch->learn();
    watch->decide();
  } else {
    watch->plain_.find_servers = false;
  }
  watch->thread_ = std::thread(&SocketWatch::watch, watch.get());
  return watch;
}

SocketWatch::~SocketWatch() {
  stop();
  ring_buffer__free(ring_);
}

void SocketWatch::stop() {
  if (stop_.exchange(true)) return;
  wake();
  if (thread_.joinable()) thread_.join();
  const std::lock_guard lock(mutex_);
  detach();
  bpf_link__destroy(skeleton_.links.socket_state);
  skeleton_.links.socket_state = nullptr;
}

std::uint64_t SocketWatch::live() const {
  return __atomic_load_n(&skeleton_.bss->sockets_live, __ATOMIC_RELAXED);
}

void SocketWatch::wake() {
  const std::uint64_t one = 1;
  static_cast<void>(!::write(wake_.get(), &one, sizeof(one)));
}

Status SocketWatch::require() {
  const std::lock_guard lock(mutex_);
  required_ = true;
  return attach();
}

void SocketWatch::want_address() {
  wanted_ns_ = now_ns();
  if (!attached_ || __atomic_load_n(&skeleton_.bss->tls_sockets, __ATOMIC_RELAXED) == 0) wake();
}

void SocketWatch::watch() {
  while (!stop_) {
    std::array<pollfd, 2> waiting = {
        {{ring_buffer__epoll_fd(ring_), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
    ::poll(waiting.data(), waiting.size(), kTickMs);
    std::uint64_t count = 0;
    static_cast<void>(!::read(wake_.get(), &count, sizeof(count)));
    if (stop_) return;
    decide();  // before anything that takes time
    if (learn()) decide();
  }
}

bool SocketWatch::learn() {
  bool any = false;
  while (ring_buffer__consume(ring_) > 0 && new_ports_) {
    any = true;
    new_ports_ = false;
    find_sockets();
  }
  return any;
}

// A server on a port of its own choice makes that port interesting.
int SocketWatch::on_news(void* self, void* data, std::size_t size) {
  auto& watch = *static_cast<SocketWatch*>(self);
  socket_news news;
  if (size < sizeof(news)) return 0;
  std::memcpy(&news, data, sizeof(news));
  auto& known = watch.skeleton_.bss->plain_ports[news.port];
  if (news.kind != SOCKET_NEWS_LISTEN || !watch.plain_.find_servers || known != 0) return 0;
  if (!is_model_server(read_proc(static_cast<pid_t>(news.tgid), "cmdline", kMostCommand))) return 0;
  known = 1;
  watch.new_ports_ = true;
  return 0;
}

void SocketWatch::decide() {
  const std::lock_guard lock(mutex_);  // what require() does in between must not be undone
  const auto now = Clock::now();
  const bool addresses =
      required_ || now_ns() - wanted_ns_ < std::chrono::nanoseconds(kAddressLinger).count();
  const bool used = live() > 0 || addresses;
  __atomic_store_n(&skeleton_.bss->tls_sockets, addresses ? 1U : 0U, __ATOMIC_RELAXED);
  if (used) {
    last_use_ = now;
    if (!attached_) static_cast<void>(attach());
  } else if (attached_ && now - last_use_ > plain_.linger) {
    detach();
    if (live() > 0) static_cast<void>(attach());  // one came in between, unannounced
  }
}

// Walks the descriptors of all processes once; marks what is of interest.
void SocketWatch::find_sockets() {
  bpf_link* const link = bpf_program__attach_iter(skeleton_.progs.socket_find, nullptr);
  if (link == nullptr) return;
  const Fd iterator(bpf_iter_create(bpf_link__fd(link)));
  std::array<char, 64> none{};
  while (::read(iterator.get(), none.data(), none.size()) > 0) {
  }
  bpf_link__destroy(link);
}

// With the lock held, as detach().
Status SocketWatch::attach() {
  auto& progs = skeleton_.progs;
  auto& links = skeleton_.links;
  if (stop_) return Error{"capture has been stopped"};
  if (required_) __atomic_store_n(&skeleton_.bss->tls_sockets, 1U, __ATOMIC_RELAXED);
  if (attached_) return Unit{};
  for (const auto& [program, link] : {std::pair{progs.socket_read, &links.socket_read},
                                      std::pair{progs.socket_sent, &links.socket_sent},
                                      std::pair{progs.socket_gone, &links.socket_gone}}) {
    if (auto attached = attach_program(program, *link); !attached) return attached;
  }
  skeleton_.bss->sockets_attached = 1;
  attached_ = true;
  ++attached_times_;
  return Unit{};
}

void SocketWatch::detach() {
  auto& links = skeleton_.links;
  skeleton_.bss->sockets_attached = 0;
  for (bpf_link** link : {&links.socket_read, &links.socket_sent, &links.socket_gone}) {
    bpf_link__destroy(*link);
    *link = nullptr;
  }
  attached_ = false;
}

}  // namespace llmtap
