// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/process_files.h"

#include <algorithm>
#include <optional>

#include "userspace/capture/process_maps.h"

namespace llmtap {

void ProcessFiles::map(pid_t pid, const FileId& id) {
  std::unique_lock lock(mutex_);
  auto& mapped = processes_[pid].files;
  const auto at = std::lower_bound(mapped.begin(), mapped.end(), id);
  if (at != mapped.end() && *at == id) return;
  mapped.insert(at, id);
  files_.retain(id);
  const bool per_process = narrowed_.count(id) != 0;
  lock.unlock();
  if (per_process) follow({id});
}

void ProcessFiles::fork(pid_t parent, pid_t child) {
  std::set<FileId> shared;
  {
    const std::lock_guard lock(mutex_);
    const auto from = processes_.find(parent);
    if (parent == child || from == processes_.end()) return;
    const auto inherited = from->second.files;
    for (const auto& id : inherited) {
      files_.retain(id);
      if (narrowed_.count(id) != 0) shared.insert(id);
    }
    auto& process = processes_[child];
    release(child, process);
    process = {inherited, 0};
  }
  if (!shared.empty()) follow(shared);
}

void ProcessFiles::exec(pid_t pid) {
  const std::lock_guard lock(mutex_);
  processes_[pid];
}

bool ProcessFiles::forget(pid_t pid) {
  const std::lock_guard lock(mutex_);
  const auto found = processes_.find(pid);
  if (found == processes_.end()) return false;
  release(pid, found->second);
  processes_.erase(found);
  return true;
}

// With the lock held. A probe of this process alone goes with its image: who has the pid next, or
// runs in it after an exec, is another one.
void ProcessFiles::release(pid_t pid, const Process& process) {
  for (const auto& id : process.files) files_.release(id, pid);
  left_out_.erase(pid);
}

bool ProcessFiles::announce(pid_t pid, int most) {
  const std::lock_guard lock(mutex_);
  const auto found = processes_.find(pid);
  return found != processes_.end() && ++found->second.announced <= most;
}

bool ProcessFiles::has_tls(pid_t pid) const {
  const std::lock_guard lock(mutex_);
  const auto found = processes_.find(pid);
  return found != processes_.end() &&
         std::any_of(found->second.files.begin(), found->second.files.end(),
                     [this](const FileId& id) { return files_.tls(id).has_value(); });
}

std::vector<pid_t> ProcessFiles::pids() const {
  const std::lock_guard lock(mutex_);
  std::vector<pid_t> pids;
  for (const auto& [pid, process] : processes_) pids.push_back(pid);
  return pids;
}

std::vector<ProcessTls> ProcessFiles::tls() const {
  std::vector<ProcessTls> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [pid, process] : processes_) {
      ProcessTls entry{pid, {}, {}};
      for (const auto& id : process.files)
        if (auto tls = files_.tls(id)) entry.files.push_back(std::move(*tls));
      if (!entry.files.empty()) all.push_back(std::move(entry));
    }
  }
  for (auto& entry : all) entry.exe = process_link(entry.pid, "exe");
  return all;
}

// Probes each file for those who map it now: for all of them, or one by one without the processes
// that are left out. Returns the files for which the latter was done.
std::set<FileId> ProcessFiles::narrow(const std::set<FileId>& which) {
  const std::lock_guard order(narrowing_);  // what is read here is what is done
  std::map<FileId, std::set<pid_t>> users;
  std::set<FileId> concerned, done;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [pid, process] : processes_) {
      const bool out = left_out_.count(pid) != 0;
      for (const auto& id : process.files) {
        if (which.count(id) == 0) continue;
        if (out)
          concerned.insert(id);
        else
          users[id].insert(pid);
      }
    }
  }
  for (const auto& id : which) {
    const bool few = users[id].size() <= kMostSharers;
    if (concerned.count(id) != 0 && few && files_.narrow(id, users[id])) {
      done.insert(id);
    } else {
      static_cast<void>(files_.narrow(id, std::nullopt));
    }
  }
  return done;
}

// Somebody has begun or ceased to map files that are probed per process.
void ProcessFiles::follow(const std::set<FileId>& mapped) {
  const auto done = narrow(mapped);
  const std::lock_guard lock(mutex_);
  for (const auto& id : mapped)
    if (done.count(id) == 0) narrowed_.erase(id);
}

void ProcessFiles::follow() {
  std::set<FileId> per_process;
  {
    const std::lock_guard lock(mutex_);
    per_process = narrowed_;
  }
  if (!per_process.empty()) follow(per_process);
}

std::set<pid_t> ProcessFiles::leave_out(const std::set<pid_t>& pids) {
  std::set<FileId> which;
  {
    const std::lock_guard lock(mutex_);
    which = narrowed_;
    left_out_ = pids;
    for (const pid_t pid : pids)
      if (const auto found = processes_.find(pid); found != processes_.end())
        for (const auto& id : found->second.files)
          if (files_.tls(id)) which.insert(id);
    narrowed_ = which;  // from now on newcomers are followed
  }
  const auto done = narrow(which);
  const std::lock_guard lock(mutex_);
  narrowed_ = done;
  std::set<pid_t> unhooked;
  for (const pid_t pid : pids)
    if (const auto found = processes_.find(pid); found != processes_.end())
      if (!is_hooked(pid, found->second)) unhooked.insert(pid);
  return unhooked;
}

bool ProcessFiles::is_hooked(pid_t pid, const Process& process) const {
  return std::any_of(process.files.begin(), process.files.end(), [&](const FileId& id) {
    const auto tls = files_.tls(id);
    return tls && tls->hooks(pid);
  });
}

}  // namespace llmtap
