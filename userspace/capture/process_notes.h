// SPDX-License-Identifier: Apache-2.0
//
// What the running daemon has to say about processes, for `doctor`, which is another process: a
// small file, the daemon's pid first, then a line "PID text" each.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>

namespace llmtap {

using ProcessNotes = std::map<pid_t, std::string>;

inline constexpr const char* kNotesFile = "/run/llmtap/notes";

// Replaces the file at once; failures are of no consequence.
void write_notes(const std::string& path, const ProcessNotes& notes);
// Empty when there is no daemon, or it is gone.
ProcessNotes read_notes(const std::string& path = kNotesFile);
// At the end; another daemon's notes stay.
void remove_notes(const std::string& path);

}  // namespace llmtap
