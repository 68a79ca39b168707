// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/process_sockets.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "userspace/capture/process_maps.h"

namespace llmtap {
namespace {

constexpr std::size_t kMostSockets = std::size_t{32} << 20;  // bytes of text, 150 a socket

// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
constexpr std::size_t kLocal = 1, kRemote = 2, kState = 3, kInode = 9;

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (words.size() <= kInode) {
    const std::size_t begin = line.find_first_not_of(' ');
    if (begin == std::string_view::npos) break;
    line.remove_prefix(begin);
    const std::size_t end = std::min(line.find(' '), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
  return words;
}

bool is_https(std::string_view address) { return address.ends_with(":01BB"); }

}  // namespace

std::set<std::uint64_t> https_sockets(std::string_view text) {
  constexpr std::string_view kEstablished = "01";
  std::set<std::uint64_t> inodes;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const auto words = words_of(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (words.size() <= kInode || words[kState] != kEstablished ||
        (!is_https(words[kLocal]) && !is_https(words[kRemote])))
      continue;
    std::uint64_t inode = 0;
    const auto inode_text = words[kInode];
    std::from_chars(inode_text.data(), inode_text.data() + inode_text.size(), inode);
    if (inode != 0) inodes.insert(inode);
  }
  return inodes;
}

std::size_t https_connections(pid_t pid) {
  auto sockets = https_sockets(read_proc(pid, "net/tcp", kMostSockets));
  sockets.merge(https_sockets(read_proc(pid, "net/tcp6", kMostSockets)));
  if (sockets.empty()) return 0;
  const auto own = socket_inodes(pid);
  return static_cast<std::size_t>(std::count_if(
      own.begin(), own.end(), [&](std::uint64_t inode) { return sockets.count(inode) != 0; }));
}

std::set<std::uint64_t> socket_inodes(pid_t pid) {
  constexpr std::string_view kSocket = "socket:[";
  std::set<std::uint64_t> inodes;
  for (const pid_t fd : numbered_entries("/proc/" + std::to_string(pid) + "/fd")) {
    const std::string target = process_link(pid, ("fd/" + std::to_string(fd)).c_str());
    if (!target.starts_with(kSocket)) continue;
    std::uint64_t inode = 0;
    std::from_chars(target.data() + kSocket.size(), target.data() + target.size(), inode);
    inodes.insert(inode);
  }
  return inodes;
}

}  // namespace llmtap
