// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/process_notes.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "userspace/capture/process_maps.h"

namespace llmtap {

void write_notes(const std::string& path, const ProcessNotes& notes) {
  mkdir(path.substr(0, path.rfind('/')).c_str(), 0755);
  const std::string fresh = path + "." + std::to_string(getpid());
  {
    std::ofstream file(fresh);
    file << getpid() << '\n';
    for (const auto& [pid, text] : notes) file << pid << ' ' << text << '\n';
    if (!file) return;
  }
  if (std::rename(fresh.c_str(), path.c_str()) != 0) unlink(fresh.c_str());
}

ProcessNotes read_notes(const std::string& path) {
  ProcessNotes notes;
  std::ifstream file(path);
  pid_t daemon = 0, pid = 0;
  if (!(file >> daemon) || !process_exists(daemon)) return notes;
  std::string text;
  while (file >> pid && file.get() == ' ' && std::getline(file, text)) notes[pid] = text;
  return notes;
}

void remove_notes(const std::string& path) {
  std::ifstream file(path);
  pid_t daemon = 0;
  if (file >> daemon && daemon == getpid()) unlink(path.c_str());
}

}  // namespace llmtap
