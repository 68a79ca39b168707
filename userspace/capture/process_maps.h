// SPDX-License-Identifier: Apache-2.0
//
// What a process maps, and how to open exactly that file, whatever mount namespace it came from and
// whether or not it still has a name.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/base/fd.h"
#include "userspace/capture/perf_records.h"

namespace llmtap {

struct Mapping {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  MappedInode file;
  std::string path;  // as the process sees it, " (deleted)" included
};

// Executable file mappings in the format of proc_pid_maps(5), one per file (the first).
std::vector<Mapping> parse_executable_maps(std::string_view text);
// Of a live process; empty if it is gone or has none (kernel threads).
std::vector<Mapping> executable_maps(pid_t pid);

// The mapped file itself, opened for reading. Invalid if the process and its file are gone.
Fd open_mapped(pid_t pid, const Mapping& mapping);

// A regular file, for reading; else invalid, without opening what is there: that alone can start a
// watchdog or rewind a tape, and a container may have device nodes that only we are allowed to
// open.
Fd open_regular(const std::string& path);
Fd open_regular(const Fd& place);  // opened with O_PATH

// What there is of a file below /proc/PID: nothing, or a part, if the process ends meanwhile. About
// `most` bytes of it.
std::string read_proc(pid_t pid, const char* name, std::size_t most);

// Entries of a directory whose names are numbers: processes of "/proc", threads of
// "/proc/PID/task".
std::vector<pid_t> numbered_entries(const std::string& directory);
// Target of a link in /proc/PID ("exe", "ns/mnt", "root"); empty if it cannot be read.
std::string process_link(pid_t pid, const char* name);

bool process_exists(pid_t pid);
// Threads besides the leader, which they may outlive. A zombie has none.
bool process_has_threads(pid_t pid);
// Of the root directory that the process sees (`root` is a path to it): the same place in another
// mount namespace, or another place in the same one, is another root. Empty: the process is gone.
std::string root_identity(pid_t pid, const std::string& root);
// Path of a file that we have open, without links.
std::string name_of(const Fd& file);

}  // namespace llmtap
