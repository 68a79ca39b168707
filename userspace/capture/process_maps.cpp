// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/process_maps.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <climits>
#include <cstdio>
#include <set>

#include "userspace/base/read_text.h"

namespace llmtap {
namespace {

constexpr std::size_t kMostMaps = std::size_t{64} << 20;  // 65,530 mappings (vm.max_map_count)

std::string proc_path(pid_t pid, std::string_view name) {
  return "/proc/" + std::to_string(pid) + "/" + std::string(name);
}

// Reads a number up to `end_char` and steps over it.
bool take(std::string_view& text, std::uint64_t& value, int base, char end_char) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  const auto used = static_cast<std::size_t>(end - text.data());
  if (error != std::errc{} || used >= text.size() || text[used] != end_char) return false;
  text.remove_prefix(used + 1);
  return true;
}

// begin-end perms offset major:minor inode   path
bool parse_line(std::string_view line, Mapping& mapping) {
  std::uint64_t offset = 0, major = 0, minor = 0;
  if (!take(line, mapping.begin, 16, '-') || !take(line, mapping.end, 16, ' ')) return false;
  if (line.size() < 5 || line[2] != 'x') return false;
  line.remove_prefix(5);
  if (!take(line, offset, 16, ' ') || !take(line, major, 16, ':') || !take(line, minor, 16, ' ') ||
      !take(line, mapping.file.inode, 10, ' ') || mapping.file.inode == 0)
    return false;
  mapping.file.major = static_cast<std::uint32_t>(major);
  mapping.file.minor = static_cast<std::uint32_t>(minor);
  const std::size_t path = line.find_first_not_of(' ');
  if (path == std::string_view::npos) return false;
  mapping.path = line.substr(path);
  return true;
}

Fd open_by_range(pid_t pid, const Mapping& mapping) {
  std::array<char, 64> range = {};
  std::snprintf(range.data(), range.size(), "map_files/%lx-%lx", mapping.begin, mapping.end);
  return open_regular(proc_path(pid, range.data()));
}

bool has_inode(const Fd& fd, std::uint64_t inode) {
  struct stat status = {};
  return fd && fstat(fd.get(), &status) == 0 && status.st_ino == inode;
}

}  // namespace

Fd open_regular(const Fd& place) {
  struct stat status = {};
  if (!place || fstat(place.get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  return Fd(::open(("/proc/self/fd/" + std::to_string(place.get())).c_str(), O_RDONLY | O_CLOEXEC));
}

Fd open_regular(const std::string& path) {
  return open_regular(Fd(::open(path.c_str(), O_PATH | O_CLOEXEC)));
}

std::vector<Mapping> parse_executable_maps(std::string_view text) {
  std::vector<Mapping> mappings;
  std::set<MappedInode> seen;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    Mapping mapping;
    if (parse_line(text.substr(0, end), mapping) && seen.insert(mapping.file).second)
      mappings.push_back(std::move(mapping));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return mappings;
}

std::vector<Mapping> executable_maps(pid_t pid) {
  return parse_executable_maps(read_proc(pid, "maps", kMostMaps));
}

Fd open_mapped(pid_t pid, const Mapping& mapping) {
  if (Fd fd = open_by_range(pid, mapping)) return fd;
  // The mapping was split or merged since, or the right to follow map_files is missing.
  if (Fd fd = open_regular(proc_path(pid, "root") + mapping.path);
      has_inode(fd, mapping.file.inode))
    return fd;
  for (const auto& now : executable_maps(pid)) {
    if (now.file.inode == mapping.file.inode && now.file.major == mapping.file.major &&
        now.file.minor == mapping.file.minor)
      if (Fd fd = open_by_range(pid, now)) return fd;
  }
  // The process is gone already; the file may be here as well.
  Fd fd = open_regular(mapping.path);
  if (!has_inode(fd, mapping.file.inode)) fd.reset();
  return fd;
}

std::string read_proc(pid_t pid, const char* name, std::size_t most) {
  return read_text(Fd(::open(proc_path(pid, name).c_str(), O_RDONLY | O_CLOEXEC)), most);
}

std::vector<pid_t> numbered_entries(const std::string& path) {
  std::vector<pid_t> pids;
  DIR* const directory = opendir(path.c_str());
  if (directory == nullptr) return pids;
  while (const dirent* entry = readdir(directory)) {
    const std::string_view name = entry->d_name;
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error == std::errc{} && end == name.data() + name.size()) pids.push_back(pid);
  }
  closedir(directory);
  return pids;
}

std::string process_link(pid_t pid, const char* name) {
  std::array<char, PATH_MAX> target;
  const ssize_t size = readlink(proc_path(pid, name).c_str(), target.data(), target.size());
  return size < 0 ? std::string{} : std::string(target.data(), static_cast<std::size_t>(size));
}

bool process_exists(pid_t pid) { return access(proc_path(pid, "").c_str(), F_OK) == 0; }

bool process_has_threads(pid_t pid) { return numbered_entries(proc_path(pid, "task")).size() > 1; }

std::string root_identity(pid_t pid, const std::string& root) {
  struct stat status = {};
  const std::string space = process_link(pid, "ns/mnt");
  if (space.empty() || stat((root + "/").c_str(), &status) != 0) return {};
  return space + " " + std::to_string(status.st_dev) + " " + std::to_string(status.st_ino);
}

std::string name_of(const Fd& file) {
  return process_link(getpid(), ("fd/" + std::to_string(file.get())).c_str());
}

}  // namespace llmtap
