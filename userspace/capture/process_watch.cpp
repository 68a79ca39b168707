// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/process_watch.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "userspace/capture/exec_guard.h"
#include "userspace/capture/perf_records.h"
#include "userspace/capture/process_maps.h"
#include "userspace/capture/usual_places.h"

namespace llmtap {
namespace {

using Clock = std::chrono::steady_clock;

// How long an answer "no TLS here" holds for a file that may be overwritten in place.
constexpr std::chrono::seconds kRecheck{1};
constexpr std::chrono::milliseconds kSweep{5000};
constexpr std::chrono::milliseconds kPollInterval{250};  // without perf records
constexpr std::size_t kMostKnown = 32768;                // mapped inodes, root directories
// A process is announced that often while its first mappings come in: right after exec its command
// line is not there yet.
constexpr int kAnnouncements = 3;

}  // namespace

struct ProcessWatch::State {
  struct Known {
    FileId id;
    Clock::time_point checked;
  };

  State(ProbeAttacher& attacher, ProcessListener* l, const WatchOptions& o)
      : options(o), listener(l), files(attacher, o.files), table(files) {}

  void run();
  void read_records();
  void look_around();  // everything that is there now
  void scan(pid_t pid);
  void handle(const ProcessRecord& record);
  void map(pid_t pid, const Mapping& mapping);
  std::optional<FileId> identify(pid_t pid, const Mapping& mapping);
  void fork(pid_t parent, pid_t child);
  void exec(pid_t pid);
  void exit(pid_t pid);
  void end_image(pid_t pid);
  void announce(pid_t pid);
  void prepare_root(pid_t pid);
  void start_guard();
  void sweep();

  const WatchOptions options;
  ProcessListener* const listener;
  TlsFiles files;
  ProcessFiles table;
  std::optional<PerfRecords> records;
  std::string degraded;
  Fd wake;
  std::atomic<bool> stopping{false};
  std::atomic<std::uint64_t> lost{0};
  std::thread thread;

  std::mutex mutex;
  std::condition_variable looked;
  bool looked_around = false;  // guarded by mutex

  // The watch thread's own:
  std::map<MappedInode, Known> known;
  std::set<std::string> roots;

  // The guard's own: files in the order in which they were about to run.
  std::deque<std::optional<FileId>> asked;
  std::uint64_t first_asked = 0;
  std::unique_ptr<ExecGuard> guard;  // last: its thread uses all of the above
};

Result<std::unique_ptr<ProcessWatch>> ProcessWatch::start(ProbeAttacher& attacher,
                                                          ProcessListener* listener,
                                                          const WatchOptions& options) {
  auto state = std::make_unique<State>(attacher, listener, options);
  state->wake = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!state->wake) return Error{"eventfd: out of file descriptors"};
  // Before anything is looked at, so that nothing falls between.
  if (auto records = PerfRecords::open()) {
    state->records = std::move(*records);
  } else {
    state->degraded = records.error().message + "; /proc is polled instead";
  }
  if (options.hold_exec) state->start_guard();
  State& s = *state;
  s.thread = std::thread([&s] { s.run(); });
  pthread_setname_np(s.thread.native_handle(), "process-watch");
  return std::unique_ptr<ProcessWatch>(new ProcessWatch(std::move(state)));
}

ProcessWatch::ProcessWatch(std::unique_ptr<State> state) : state_(std::move(state)) {}

ProcessWatch::~ProcessWatch() {
  state_->stopping = true;
  const std::uint64_t one = 1;
  if (write(state_->wake.get(), &one, sizeof(one)) < 0) std::abort();  // an eventfd takes it
  state_->thread.join();  // it tells the guard of new roots, so the guard goes after it
}

void ProcessWatch::State::start_guard() {
  constexpr std::size_t kMostAsked = 1024;
  ExecGuard::Hooks hooks;
  hooks.look = [this](Fd file) {
    const std::string path = name_of(file);
    asked.push_back(files.examine(std::move(file), path));
    if (asked.size() > kMostAsked) {
      asked.pop_front();
      ++first_asked;
    }
    return first_asked + asked.size() - 1;
  };
  hooks.is_done = [this](std::uint64_t name) {
    if (name < first_asked) return true;
    const auto& id = asked[name - first_asked];
    return !id || files.is_done(*id);
  };
  auto started = ExecGuard::start(std::move(hooks));
  if (started) {
    guard = std::move(*started);
  } else {
    degraded += (degraded.empty() ? "" : "; ") + started.error().message;
  }
}

void ProcessWatch::State::run() {
  // A new process must not reach its first call before us, however busy the machine is.
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), -15);
  if (options.at_start) look_around();
  {
    const std::lock_guard lock(mutex);
    looked_around = true;
  }
  looked.notify_all();
  std::vector<pollfd> wait = {{wake.get(), POLLIN, 0}};
  if (records)
    for (const int fd : records->descriptors()) wait.push_back({fd, POLLIN, 0});
  auto next_sweep = Clock::now() + kSweep;
  while (!stopping) {
    poll(wait.data(), wait.size(), static_cast<int>((records ? kSweep : kPollInterval).count()));
    if (stopping) return;
    if (!records) {
      look_around();
    } else {
      do {
        read_records();
      } while (records->more() && !stopping);
    }
    if (Clock::now() >= next_sweep) {
      sweep();
      next_sweep = Clock::now() + kSweep;
    }
  }
}

void ProcessWatch::State::read_records() {
  std::set<pid_t> touched;
  for (const auto& record : records->read()) {
    handle(record);
    if (record.kind == ProcessRecord::Kind::kMap) touched.insert(record.pid);
  }
  for (const pid_t pid : touched) announce(pid);
}

void ProcessWatch::State::look_around() {
  const char* const path = std::getenv("PATH");
  if (!looked_around && options.at_start) {
    roots.insert(root_identity(getpid(), "/"));
    visit_usual_places("/", path == nullptr ? "" : path, [&](Fd file, const std::string&) {
      const std::string name = name_of(file);
      if (const auto id = files.examine(std::move(file), name)) files.retain(*id);  // for good
    });
  }
  known.clear();
  const pid_t self = getpid();
  for (const pid_t pid : numbered_entries("/proc")) {
    if (stopping) return;
    if (pid != self) scan(pid);
  }
  sweep();
}

void ProcessWatch::State::scan(pid_t pid) {
  const auto mappings = executable_maps(pid);
  if (mappings.empty()) return;  // a kernel thread
  prepare_root(pid);
  for (const auto& mapping : mappings) map(pid, mapping);
  announce(pid);
}

void ProcessWatch::State::handle(const ProcessRecord& record) {
  using Kind = ProcessRecord::Kind;
  if (record.kind == Kind::kLost) {
    lost += record.lost;
    look_around();
  }
  if (record.pid <= 0 || record.pid == getpid()) return;  // outside of our pid namespace
  switch (record.kind) {
    case Kind::kExec:
      return exec(record.pid);
    case Kind::kMap:
      return map(record.pid, {record.begin, record.end, record.file, record.path});
    case Kind::kFork:
      return fork(record.parent, record.pid);
    case Kind::kExit:
      return exit(record.pid);
    case Kind::kLost:
      return;
  }
}

void ProcessWatch::State::map(pid_t pid, const Mapping& mapping) {
  if (const auto id = identify(pid, mapping)) table.map(pid, *id);
}

std::optional<FileId> ProcessWatch::State::identify(pid_t pid, const Mapping& mapping) {
  const auto now = Clock::now();
  const auto found = known.find(mapping.file);
  if (found != known.end() && files.is_current(found->second.id) &&
      (now - found->second.checked < kRecheck || files.tls(found->second.id)))
    return found->second.id;
  const auto id = files.examine(open_mapped(pid, mapping), mapping.path);
  if (!id) return std::nullopt;
  if (known.size() >= kMostKnown) known.clear();
  known.insert_or_assign(mapping.file, Known{*id, now});
  return id;
}

void ProcessWatch::State::fork(pid_t parent, pid_t child) {
  table.fork(parent, child);
  if (table.has_tls(child)) announce(child);
}

void ProcessWatch::State::exec(pid_t pid) {
  end_image(pid);
  table.exec(pid);
  announce(pid);
  prepare_root(pid);
}

void ProcessWatch::State::exit(pid_t pid) {
  if (!process_has_threads(pid)) end_image(pid);  // else sweep() will notice
}

void ProcessWatch::State::end_image(pid_t pid) {
  if (table.forget(pid) && listener != nullptr) listener->process_gone(pid);
}

void ProcessWatch::State::announce(pid_t pid) {
  if (table.announce(pid, kAnnouncements) && listener != nullptr) listener->process_seen(pid);
}

// A container's own libraries, before its first process loads one.
void ProcessWatch::State::prepare_root(pid_t pid) {
  const std::string root = "/proc/" + std::to_string(pid) + "/root";
  const std::string name = root_identity(pid, root);
  if (name.empty() || !options.at_start) return;
  if (roots.size() >= kMostKnown) roots.clear();
  if (!roots.insert(name).second) return;
  if (guard) guard->add(root);
  visit_usual_places(
      root, {}, [&](Fd file, const std::string& path) { files.examine(std::move(file), path); });
}

void ProcessWatch::State::sweep() {
  for (const pid_t pid : table.pids())
    if (!process_exists(pid)) end_image(pid);
  table.follow();
}

std::string ProcessWatch::degraded() const { return state_->degraded; }

std::uint64_t ProcessWatch::lost_records() const { return state_->lost; }

std::vector<ProcessTls> ProcessWatch::processes() const { return state_->table.tls(); }

std::set<pid_t> ProcessWatch::leave_out(const std::set<pid_t>& pids) {
  return state_->table.leave_out(pids);
}

void ProcessWatch::prepare(const std::string& program) {
  const char* const path = std::getenv("PATH");
  visit_program(program, path == nullptr ? "" : path, [this](Fd file, const std::string&) {
    const std::string name = name_of(file);
    if (const auto id = state_->files.examine(std::move(file), name)) state_->files.retain(*id);
  });
}

bool ProcessWatch::wait_until_settled(std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  std::unique_lock lock(state_->mutex);
  if (!state_->looked.wait_until(lock, deadline, [&] { return state_->looked_around; }))
    return false;
  lock.unlock();
  while (!state_->files.idle()) {
    if (Clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace llmtap
