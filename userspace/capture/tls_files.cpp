// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/tls_files.h"

#include <pthread.h>
#include <sys/stat.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "userspace/capture/elf.h"
#include "userspace/capture/grace_periods.h"
#include "userspace/capture/probe_table.h"
#include "userspace/capture/process_maps.h"

namespace llmtap {
namespace {

using Clock = std::chrono::steady_clock;

// Symbols of files up to this size are read where the file is shown; it takes about a millisecond.
constexpr std::uint64_t kSmallFile = 8U << 20;
// A static TLS library does not fit into less.
constexpr std::uint64_t kLeastSearched = 256U << 10;
constexpr std::uint64_t kMostSearched = 2ULL << 30;
// Remembered files without TLS. When there are more, all of them are forgotten.
constexpr std::size_t kMostWithout = 16384;
constexpr std::chrono::seconds kSweep{5};

// What changes when a file's content does.
struct Version {
  std::uint64_t size = 0;
  std::int64_t mtime_s = 0;
  std::int64_t mtime_ns = 0;

  explicit Version(const struct stat& status)
      : size(static_cast<std::uint64_t>(status.st_size)),
        mtime_s(status.st_mtim.tv_sec),
        mtime_ns(status.st_mtim.tv_nsec) {}
  bool operator==(const Version&) const = default;
};

std::string path_of(const Fd& fd) { return "/proc/self/fd/" + std::to_string(fd.get()); }

enum class Stage { kSymbols, kSearch };

}  // namespace

struct TlsFiles::State {
  struct Entry {
    explicit Entry(const Version& v) : version(v) {}
    Version version;
    std::shared_ptr<Fd> fd;  // held while a stage is under way or probes are attached
    TlsFile tls;
    std::map<pid_t, std::uint64_t> singles;  // attachments in one process; when narrowed
    bool counted = false;                    // in `probed`
    int stages = 0;                          // under way or waiting
    std::size_t users = 0;
    Clock::time_point unused_since = Clock::now();
    bool without() const {
      return stages == 0 && tls.plan.sites.empty() && tls.plan.reason.empty();
    }
  };
  struct Job {
    FileId id;
    std::shared_ptr<Fd> fd;
    Stage stage;
    bool has_symbols;
  };
  // Jobs of one stage and the thread that does them.
  struct Line {
    std::deque<Job> jobs;
    std::condition_variable ready;
    std::thread thread;
  };

  State(ProbeAttacher& a, const TlsFilesOptions& o)
      : attacher(a), options(o), grace_periods(o.rcu_knob) {}
  void work(Line& line, bool sweeps);
  void enqueue(Line& line, Job job);  // with the lock held
  void run(const Job& job);
  void finish(const Job& job, ProbePlan plan);
  void sweep();
  Result<std::map<pid_t, std::uint64_t>> attach_each(const Entry& entry,
                                                     const std::set<pid_t>& pids);
  std::vector<std::uint64_t> forget(std::map<FileId, Entry>::iterator entry);
  void detach(const std::vector<std::uint64_t>& attachments);

  ProbeAttacher& attacher;
  const TlsFilesOptions options;
  GracePeriods grace_periods;
  std::mutex narrowing;  // one at a time; taken before mutex
  mutable std::mutex mutex;
  // Guarded by mutex:
  std::map<FileId, Entry> entries;
  std::size_t probed = 0;              // entries with attachments
  std::vector<std::uint64_t> orphans;  // attachments in processes that are gone; sweep() detaches
  bool stopping = false;
  Line symbols, search;
};

TlsFiles::TlsFiles(ProbeAttacher& attacher, const TlsFilesOptions& options)
    : state_(std::make_unique<State>(attacher, options)) {
  State& s = *state_;
  s.symbols.thread = std::thread([&s] { s.work(s.symbols, false); });
  s.search.thread = std::thread([&s] { s.work(s.search, true); });
  pthread_setname_np(s.symbols.thread.native_handle(), "tls-symbols");
  pthread_setname_np(s.search.thread.native_handle(), "tls-search");
}

TlsFiles::~TlsFiles() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  for (State::Line* line : {&state_->symbols, &state_->search}) {
    line->ready.notify_all();
    line->thread.join();
  }
}

void TlsFiles::State::work(Line& line, bool sweeps) {
  const auto interval = std::min<std::chrono::milliseconds>(kSweep, options.keep_unused);
  auto next_sweep = Clock::now() + interval;
  std::unique_lock lock(mutex);
  while (!stopping) {
    if (!line.jobs.empty()) {
      const Job job = std::move(line.jobs.front());
      line.jobs.pop_front();
      lock.unlock();
      run(job);
      lock.lock();
    } else if (!sweeps) {
      line.ready.wait(lock);
    } else {
      line.ready.wait_until(lock, next_sweep);
    }
    if (sweeps && Clock::now() >= next_sweep) {
      lock.unlock();
      sweep();
      lock.lock();
      next_sweep = Clock::now() + interval;
    }
  }
}

void TlsFiles::State::enqueue(Line& line, Job job) {
  line.jobs.push_back(std::move(job));
  line.ready.notify_one();
}

void TlsFiles::State::run(const Job& job) {
  ProbePlan plan;
  if (auto elf = ElfFile::open(path_of(*job.fd)))
    plan = job.stage == Stage::kSymbols ? plan_by_symbols(*elf)
                                        : plan_by_search(*elf, job.has_symbols);
  finish(job, std::move(plan));
}

// Attaches what the stage found, without the lock: that takes milliseconds.
void TlsFiles::State::finish(const Job& job, ProbePlan plan) {
  Result<std::uint64_t> attached = std::uint64_t{0};
  if (!plan.sites.empty()) {
    bool room = false;
    {
      const std::lock_guard lock(mutex);
      room = probed < options.most_probed;
    }
    if (room) {
      const GracePeriods::Hurry hurry(grace_periods);
      attached = attacher.attach(path_of(*job.fd), plan);
    } else {
      attached = Error{"too many files are probed already"};
    }
  }
  std::vector<std::uint64_t> orphaned;
  {
    const std::lock_guard lock(mutex);
    const auto found = entries.find(job.id);
    if (found == entries.end() || found->second.fd != job.fd) {
      if (attached && *attached != 0) orphaned.push_back(*attached);  // changed meanwhile
    } else {
      Entry& entry = found->second;
      TlsFile& tls = entry.tls;
      if (attached && *attached != 0) {
        if (!std::exchange(entry.counted, true)) ++probed;
        tls.attachments.push_back(*attached);
      }
      if (!attached) tls.error = attached.error().message;
      const bool has_sites = !plan.sites.empty();
      append(tls.plan, std::move(plan));
      if (job.stage == Stage::kSymbols && entry.version.size >= kLeastSearched &&
          entry.version.size <= kMostSearched) {
        enqueue(search, {job.id, job.fd, Stage::kSearch, has_sites});
      } else {
        --entry.stages;
      }
      tls.searching = entry.stages > 0;
      if (entry.stages == 0 && tls.attachments.empty()) entry.fd.reset();
    }
  }
  detach(orphaned);
}

void TlsFiles::State::sweep() {
  std::vector<std::uint64_t> unused;
  {
    const std::lock_guard lock(mutex);
    unused.swap(orphans);
    const auto now = Clock::now();
    std::size_t without = 0;
    for (auto at = entries.begin(); at != entries.end();) {
      const auto entry = at++;
      without += entry->second.without();
      if (entry->second.users == 0 && entry->second.stages == 0 && !entry->second.without() &&
          now - entry->second.unused_since >= options.keep_unused) {
        const auto ids = forget(entry);
        unused.insert(unused.end(), ids.begin(), ids.end());
      }
    }
    if (without > kMostWithout)
      std::erase_if(entries,
                    [](const auto& e) { return e.second.without() && e.second.users == 0; });
  }
  detach(unused);
}

std::vector<std::uint64_t> TlsFiles::State::forget(std::map<FileId, Entry>::iterator entry) {
  auto attachments = std::move(entry->second.tls.attachments);
  for (const auto& [pid, id] : entry->second.singles) attachments.push_back(id);
  if (entry->second.counted) --probed;
  entries.erase(entry);
  return attachments;
}

void TlsFiles::State::detach(const std::vector<std::uint64_t>& attachments) {
  for (const auto id : attachments) attacher.detach(id);
}

std::optional<FileId> TlsFiles::examine(Fd file, const std::string& path) {
  struct stat status = {};
  if (!file || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  const FileId id{status.st_dev, status.st_ino};
  const Version version(status);
  State::Job job{id, nullptr, Stage::kSymbols, false};
  std::vector<std::uint64_t> outdated;
  {
    const std::lock_guard lock(state_->mutex);
    std::size_t users = 0;
    if (const auto known = state_->entries.find(id); known != state_->entries.end()) {
      if (known->second.version == version) return id;
      users = known->second.users;
      outdated = state_->forget(known);
    }
    State::Entry& entry = state_->entries.emplace(id, version).first->second;
    entry.tls.id = id;
    entry.tls.path = path;
    entry.tls.searching = true;
    entry.users = users;
    entry.stages = 1;
    entry.fd = job.fd = std::make_shared<Fd>(std::move(file));
    if (version.size > kSmallFile) state_->enqueue(state_->symbols, job);
  }
  state_->detach(outdated);
  if (version.size <= kSmallFile) state_->run(job);
  return id;
}

bool TlsFiles::is_current(const FileId& id) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->entries.find(id);
  if (found == state_->entries.end()) return false;
  const auto& entry = found->second;
  if (entry.fd == nullptr) return true;  // without TLS: good enough
  struct stat status = {};
  return fstat(entry.fd->get(), &status) == 0 && entry.version == Version(status);
}

void TlsFiles::retain(const FileId& id) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->entries.find(id);
  if (found != state_->entries.end()) ++found->second.users;
}

void TlsFiles::release(const FileId& id, pid_t pid) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->entries.find(id);
  if (found == state_->entries.end()) return;
  State::Entry& entry = found->second;
  if (const auto own = entry.singles.extract(pid)) {
    state_->orphans.push_back(own.mapped());
    entry.tls.only->erase(pid);
  }
  if (entry.users != 0 && --entry.users == 0) entry.unused_since = Clock::now();
}

// Those of `pids` that have no attachment of their own yet. Processes that are gone are no error.
Result<std::map<pid_t, std::uint64_t>> TlsFiles::State::attach_each(const Entry& entry,
                                                                    const std::set<pid_t>& pids) {
  std::map<pid_t, std::uint64_t> attached;
  for (const pid_t pid : pids) {
    if (entry.singles.count(pid) != 0) continue;
    const GracePeriods::Hurry hurry(grace_periods);
    const auto id = attacher.attach_in(path_of(*entry.fd), entry.tls.plan, pid);
    if (id) {
      attached.emplace(pid, *id);
    } else if (process_exists(pid)) {
      for (const auto& [done, one] : attached) attacher.detach(one);
      return id.error();
    }
  }
  return attached;
}

Status TlsFiles::narrow(const FileId& id, const std::optional<std::set<pid_t>>& pids) {
  State& s = *state_;
  const std::lock_guard narrowing(s.narrowing);
  std::optional<State::Entry> entry;
  {
    const std::lock_guard lock(s.mutex);
    const auto found = s.entries.find(id);
    if (found == s.entries.end() || !found->second.counted) return Unit{};
    if (found->second.stages != 0) return Error{"the file is still being searched"};
    entry = found->second;
  }
  if (entry->tls.only == pids) return Unit{};
  // The new ones first: no call falls between.
  std::vector<std::uint64_t> everywhere, old;
  auto singles = s.attach_each(*entry, pids.value_or(std::set<pid_t>{}));
  if (!singles) return singles.error();
  if (!pids) {
    const GracePeriods::Hurry hurry(s.grace_periods);
    const auto attached = s.attacher.attach(path_of(*entry->fd), entry->tls.plan);
    if (!attached) return attached.error();
    everywhere.push_back(*attached);
  }
  {
    const std::lock_guard lock(s.mutex);
    const auto found = s.entries.find(id);
    if (found != s.entries.end() && found->second.fd == entry->fd) {
      State::Entry& now = found->second;
      old = std::exchange(now.tls.attachments, std::move(everywhere));
      for (const auto& [pid, one] : now.singles) {  // without those released meanwhile
        if (pids && pids->count(pid) != 0)
          singles->emplace(pid, one);
        else
          old.push_back(one);
      }
      now.singles = std::move(*singles);
      now.tls.only.reset();
      if (pids) {
        auto& only = now.tls.only.emplace();
        for (const auto& [pid, one] : now.singles) only.insert(pid);
      }
    } else {  // changed or let go meanwhile: what it had is gone already
      old = std::move(everywhere);
      for (const auto& [pid, one] : *singles)
        if (entry->singles.count(pid) == 0) old.push_back(one);
    }
  }
  s.detach(old);
  return Unit{};
}

std::optional<TlsFile> TlsFiles::tls(const FileId& id) const {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->entries.find(id);
  if (found == state_->entries.end()) return std::nullopt;
  const TlsFile& tls = found->second.tls;
  if (tls.plan.sites.empty() && tls.plan.reason.empty()) return std::nullopt;
  return tls;
}

std::vector<TlsFile> TlsFiles::all() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<TlsFile> files;
  for (const auto& [id, entry] : state_->entries)
    if (!entry.tls.plan.sites.empty() || !entry.tls.plan.reason.empty()) files.push_back(entry.tls);
  return files;
}

bool TlsFiles::idle() const {
  const std::lock_guard lock(state_->mutex);
  return std::all_of(state_->entries.begin(), state_->entries.end(),
                     [](const auto& e) { return e.second.stages == 0; });
}

bool TlsFiles::is_done(const FileId& id) const {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->entries.find(id);
  return found == state_->entries.end() || found->second.stages == 0;
}

}  // namespace llmtap
