// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/usual_places.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <string_view>
#include <vector>

#include "userspace/capture/process_maps.h"

namespace llmtap {
namespace {

constexpr std::array<const char*, 10> kLibraryDirectories = {"/usr/lib/x86_64-linux-gnu",
                                                             "/lib/x86_64-linux-gnu",
                                                             "/usr/lib/aarch64-linux-gnu",
                                                             "/usr/lib64",
                                                             "/lib64",
                                                             "/usr/lib",
                                                             "/lib",
                                                             "/usr/local/lib64",
                                                             "/usr/local/lib",
                                                             "/usr/local/ssl/lib"};
constexpr std::array<std::string_view, 2> kLibraries = {"libssl", "libgnutls"};
constexpr std::array<const char*, 4> kBinaryDirectories = {"/usr/local/bin", "/usr/bin", "/bin",
                                                           "/usr/local/sbin"};
constexpr std::array<const char*, 10> kPrograms = {"node", "nodejs", "python3", "python", "bun",
                                                   "deno", "codex",  "claude",  "ollama", "uv"};

class Root {
 public:
  explicit Root(const std::string& path)
      : fd_(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

  // As a process with this root would open it: a link to "/x" stays inside.
  Fd open(const std::string& path, std::uint64_t flags) const {
    open_how how = {};
    how.flags = flags | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT;
    const std::string relative = path.substr(std::min(path.find_first_not_of('/'), path.size()));
    return Fd(
        static_cast<int>(syscall(SYS_openat2, fd_.get(), relative.c_str(), &how, sizeof(how))));
  }

 private:
  Fd fd_;
};

bool is_library(std::string_view name) {
  return name.find(".so") != std::string_view::npos &&
         std::any_of(kLibraries.begin(), kLibraries.end(),
                     [&](auto library) { return name.starts_with(library); });
}

void visit_file(const Root& root, const std::string& path, const OnFile& on_file) {
  if (Fd fd = open_regular(root.open(path, O_PATH))) on_file(std::move(fd), path);
}

void visit_libraries(const Root& root, const std::string& directory, const OnFile& on_file) {
  Fd fd = root.open(directory, O_RDONLY | O_DIRECTORY);
  if (!fd) return;
  DIR* const entries = fdopendir(fd.release());
  if (entries == nullptr) return;
  while (const dirent* entry = readdir(entries))
    if (is_library(entry->d_name)) visit_file(root, directory + "/" + entry->d_name, on_file);
  closedir(entries);
}

std::vector<std::string> split_path(const std::string& search_path) {
  std::vector<std::string> directories;
  for (std::size_t from = 0; from < search_path.size();) {
    const std::size_t end = std::min(search_path.find(':', from), search_path.size());
    if (end > from) directories.push_back(search_path.substr(from, end - from));
    from = end + 1;
  }
  return directories;
}

std::string resolve(const std::string& program, const std::string& search_path) {
  if (program.find('/') != std::string::npos) return program;
  for (const auto& directory : split_path(search_path))
    if (access((directory + "/" + program).c_str(), X_OK) == 0) return directory + "/" + program;
  return {};
}

// "#!/usr/bin/env -S node --flag" and "#!/bin/sh": the program; empty for what is not a script.
std::string interpreter_of(int fd) {
  std::array<char, 256> head = {};
  const ssize_t size = pread(fd, head.data(), head.size() - 1, 0);
  std::istringstream line(std::string(head.data(), size > 0 ? static_cast<std::size_t>(size) : 0));
  std::string text, word;
  std::getline(line, text);
  if (!text.starts_with("#!")) return {};
  std::istringstream words(text.substr(2));
  words >> word;
  if (!word.ends_with("/env")) return word;
  while (words >> word)
    if (word[0] != '-' && word.find('=') == std::string::npos) return word;
  return {};
}

}  // namespace

void visit_program(const std::string& program, const std::string& search_path,
                   const OnFile& on_file) {
  constexpr int kMostInterpreters = 3;
  std::string next = program;
  for (int k = 0; k <= kMostInterpreters && !next.empty(); ++k) {
    const std::string path = resolve(next, search_path);
    Fd fd = open_regular(path);
    if (!fd) return;
    next = interpreter_of(fd.get());
    on_file(std::move(fd), path);
  }
}

void visit_usual_places(const std::string& root_path, const std::string& search_path,
                        const OnFile& on_file) {
  const Root root(root_path);
  for (const char* directory : kLibraryDirectories) visit_libraries(root, directory, on_file);
  std::vector<std::string> binaries(kBinaryDirectories.begin(), kBinaryDirectories.end());
  for (auto& directory : split_path(search_path)) binaries.push_back(std::move(directory));
  for (const auto& directory : binaries)
    for (const char* program : kPrograms) visit_file(root, directory + "/" + program, on_file);
}

}  // namespace llmtap
