// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/exec_guard.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

namespace llmtap {
namespace {

using Clock = std::chrono::steady_clock;

// File systems that programs live on; pseudo file systems have none.
constexpr std::array<std::string_view, 10> kTypes = {
    "ext4", "ext3", "ext2", "xfs", "btrfs", "zfs", "f2fs", "overlay", "tmpfs", "squashfs"};

// Mount points of /proc/self/mounts whose type is one of those.
std::vector<std::string> mount_points() {
  std::vector<std::string> points;
  std::ifstream mounts("/proc/self/mounts");
  std::string line;
  while (std::getline(mounts, line)) {
    std::istringstream words(line);
    std::string device, point, type;
    words >> device >> point >> type;
    for (const auto known : kTypes)
      if (type == known) points.push_back(point);
  }
  return points;
}

}  // namespace

struct ExecGuard::State {
  struct Held {
    Fd file;
    std::uint64_t name;
    Clock::time_point until;
  };

  void run();
  void read_events();
  void handle(const fanotify_event_metadata& event);
  void let_go(const Fd& file) const;
  void let_go_done();

  Hooks hooks;
  Fd group, wake;
  std::vector<Held> held;  // the thread's own
  std::atomic<bool> stopping{false};
  std::thread thread;
};

Result<std::unique_ptr<ExecGuard>> ExecGuard::start(Hooks hooks) {
  auto state = std::make_unique<State>();
  state->hooks = std::move(hooks);
  state->group = Fd(fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC | FAN_NONBLOCK,
                                  O_RDONLY | O_CLOEXEC | O_LARGEFILE));
  if (!state->group)
    return Error{std::string("fanotify: ") + std::strerror(errno) +
                 " (needs CAP_SYS_ADMIN and CONFIG_FANOTIFY_ACCESS_PERMISSIONS)"};
  state->wake = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  std::unique_ptr<ExecGuard> guard(new ExecGuard(std::move(state)));
  State& s = *guard->state_;
  s.thread = std::thread([&s] { s.run(); });
  pthread_setname_np(s.thread.native_handle(), "exec-guard");
  for (const auto& point : mount_points()) guard->add(point);
  return guard;
}

ExecGuard::ExecGuard(std::unique_ptr<State> state) : state_(std::move(state)) {}

ExecGuard::~ExecGuard() {
  state_->stopping = true;
  const std::uint64_t one = 1;
  if (write(state_->wake.get(), &one, sizeof(one)) < 0) std::abort();  // an eventfd takes it
  if (state_->thread.joinable()) state_->thread.join();
}

void ExecGuard::add(const std::string& directory) {
  // Errors are fine: a file system without fanotify is one without the guarantee.
  fanotify_mark(state_->group.get(), FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN_EXEC_PERM,
                AT_FDCWD, directory.c_str());
}

void ExecGuard::State::run() {
  std::array<pollfd, 2> wait = {{{group.get(), POLLIN, 0}, {wake.get(), POLLIN, 0}}};
  while (!stopping) {
    poll(wait.data(), wait.size(), held.empty() ? -1 : 1);
    read_events();
    let_go_done();
  }
  for (const auto& one : held) let_go(one.file);
}

void ExecGuard::State::read_events() {
  alignas(fanotify_event_metadata) std::array<char, 8192> buffer;
  for (;;) {
    ssize_t left = read(group.get(), buffer.data(), buffer.size());
    if (left <= 0) return;
    auto* event = reinterpret_cast<fanotify_event_metadata*>(buffer.data());
    for (; FAN_EVENT_OK(event, left); event = FAN_EVENT_NEXT(event, left)) handle(*event);
  }
}

void ExecGuard::State::handle(const fanotify_event_metadata& event) {
  if (event.fd < 0) return;
  Fd file(event.fd);
  if ((event.mask & FAN_OPEN_EXEC_PERM) == 0) return;
  const std::uint64_t name = hooks.look(Fd(fcntl(file.get(), F_DUPFD_CLOEXEC, 0)));
  if (hooks.is_done(name)) {
    let_go(file);
  } else {
    held.push_back({std::move(file), name, Clock::now() + kLongestHold});
  }
}

void ExecGuard::State::let_go(const Fd& file) const {
  const fanotify_response response = {file.get(), FAN_ALLOW};
  [[maybe_unused]] const auto written = write(group.get(), &response, sizeof(response));
}

void ExecGuard::State::let_go_done() {
  std::erase_if(held, [&](const Held& one) {
    if (!hooks.is_done(one.name) && Clock::now() < one.until) return false;
    let_go(one.file);
    return true;
  });
}

}  // namespace llmtap
