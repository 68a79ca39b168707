// SPDX-License-Identifier: Apache-2.0
#include "userspace/enrich/process_info.h"

#include <elf.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include "userspace/base/fd.h"
#include "userspace/base/read_text.h"
#include "userspace/enrich/kubernetes.h"
#include "userspace/enrich/process_names.h"

namespace llmtap {
namespace {

// Libraries may be loaded late (a tracer, an interpreter's runtime).
constexpr std::chrono::seconds kLookAgain{5};
constexpr std::size_t kMostText = std::size_t{128} << 10;
constexpr std::size_t kMostMaps = std::size_t{4} << 20;

Fd open_file(const std::string& path) {
  return Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
}

std::string link_target(const std::string& path) {
  std::array<char, PATH_MAX> target;
  const ssize_t size = readlink(path.c_str(), target.data(), target.size());
  return size < 0 ? std::string{} : std::string(target.data(), static_cast<std::size_t>(size));
}

template <class T>
bool read_at(int fd, T* to, std::size_t count, std::uint64_t offset) {
  const auto size = static_cast<ssize_t>(count * sizeof(T));
  return pread(fd, to, static_cast<std::size_t>(size), static_cast<off_t>(offset)) == size;
}

// The start of a small file below another process's root, whose links stay inside of it.
std::string read_inside(const std::string& root, const char* path) {
  const Fd directory(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return {};
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const Fd fd(static_cast<int>(::syscall(SYS_openat2, directory.get(), path, &how, sizeof how)));
  std::array<char, 256> text;
  const ssize_t size = fd ? ::read(fd.get(), text.data(), text.size()) : -1;
  return size < 0 ? std::string{} : std::string(text.data(), static_cast<std::size_t>(size));
}

// Go's linker leaves a section that no other has; its name is all we look for.
bool is_go_program(const std::string& exe) {
  constexpr std::size_t kMostNames = 8192;
  const Fd fd = open_file(exe);
  Elf64_Ehdr header;
  Elf64_Shdr names;
  if (!fd || !read_at(fd.get(), &header, 1, 0) ||
      std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_shoff == 0 ||
      !read_at(fd.get(), &names, 1, header.e_shoff + header.e_shstrndx * sizeof(Elf64_Shdr)))
    return false;
  std::string text(std::min<std::uint64_t>(names.sh_size, kMostNames), '\0');
  return read_at(fd.get(), text.data(), text.size(), names.sh_offset) &&
         text.find("gopclntab") != std::string::npos;
}

}  // namespace

std::string ProcessTable::read(pid_t pid, const char* name, std::size_t most) const {
  return read_text(open_file(proc_ + "/" + std::to_string(pid) + "/" + name), most);
}

// Field 22 of proc_pid_stat(5); the task's name before it may hold anything.
std::uint64_t ProcessTable::start_time(pid_t pid) const {
  const std::string stat = read(pid, "stat", 4096);
  std::size_t at = stat.rfind(')');
  for (int field = 2; field < 22 && at != std::string::npos; ++field) at = stat.find(' ', at + 1);
  return at == std::string::npos ? 0 : std::strtoull(stat.c_str() + at, nullptr, 10);
}

// False: the process is gone.
bool ProcessTable::read_identity(pid_t pid, ProcessInfo& info) const {
  info.pid = static_cast<std::uint32_t>(pid);
  info.comm = read(pid, "comm", 64);
  if (info.comm.empty()) return false;
  if (info.comm.ends_with('\n')) info.comm.pop_back();
  info.exe = link_target(proc_ + "/" + std::to_string(pid) + "/exe");
  const std::string cgroup = read(pid, "cgroup", kMostText);
  info.container_id = container_id(cgroup);
  std::string environ = read(pid, "environ", kMostText);
  info.environment = choose_variables(environ);
  if (!pod_uid(cgroup).empty()) {
    const std::string space = read_inside(proc_ + "/" + std::to_string(pid) + "/root",
                                          "var/run/secrets/kubernetes.io/serviceaccount/namespace");
    for (auto& attribute : kubernetes_attributes(cgroup, environ, space))
      info.environment.push_back(std::move(attribute));
  }
  explicit_bzero(environ.data(), environ.size());  // other people's secrets
  return true;
}

void ProcessTable::read_libraries(pid_t pid, ProcessInfo& info) const {
  const std::string maps = read(pid, "maps", kMostMaps);
  if (maps.empty()) return;
  info.language = language_of(info.exe, maps);
  if (info.language.empty() && is_go_program(proc_ + "/" + std::to_string(pid) + "/exe"))
    info.language = "go";
  info.ddtrace_loaded = has_tracer(info.command_line, maps);
}

void ProcessTable::seen(pid_t pid) {
  if (const auto known = cached(pid); known && known->complete() && !known->gone) {
    const std::string command = read(pid, "cmdline", kMostText);
    if (known->start_time == start_time(pid) &&
        known->command_hash == std::hash<std::string>{}(command))
      return;
  }
  refresh(pid);
}

void ProcessTable::refresh(pid_t pid) {
  Entry entry;
  entry.start_time = start_time(pid);
  const std::string command = read(pid, "cmdline", kMostText);
  entry.command_hash = std::hash<std::string>{}(command);
  entry.info.command_line = split_zeros(command);
  if (!read_identity(pid, entry.info)) return;
  read_libraries(pid, entry.info);
  entry.mapped_at = Clock::now();
  store(pid, std::move(entry));
}

void ProcessTable::store(pid_t pid, Entry entry) {
  ProcessInfo& info = entry.info;
  info.service = resolve_service(info.environment, info.language, info.command_line, info.exe);
  if (info.service.empty()) info.service = info.comm;
  mask_command_line(info.command_line);
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  if (now - purged_ > kKept / 2 || entries_.size() >= kMostProcesses) {
    std::erase_if(entries_,
                  [&](const auto& e) { return e.second.gone && now - e.second.gone_at > kKept; });
    purged_ = now;
  }
  if (entries_.size() >= kMostProcesses) entries_.clear();
  entries_.insert_or_assign(pid, std::move(entry));
}

void ProcessTable::gone(pid_t pid) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(pid);
  if (found == entries_.end()) return;
  found->second.gone = true;
  found->second.gone_at = Clock::now();
}

std::optional<ProcessTable::Entry> ProcessTable::cached(pid_t pid) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(pid);
  return found == entries_.end() ? std::nullopt : std::optional(found->second);
}

ProcessInfo ProcessTable::info(pid_t pid) {
  const auto known = cached(pid);
  const bool fresh = known && known->complete() && Clock::now() - known->mapped_at < kLookAgain;
  if (known && (known->gone || fresh)) return known->info;
  refresh(pid);  // changes nothing if the process is gone
  if (const auto now = cached(pid)) return now->info;
  ProcessInfo unknown;
  unknown.pid = static_cast<std::uint32_t>(pid);
  unknown.service = "unknown";
  return unknown;
}

}  // namespace llmtap
