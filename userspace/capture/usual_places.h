// SPDX-License-Identifier: Apache-2.0
//
// Files that the next process of a root file system will probably speak TLS with, so that they can
// be probed before its first call: the linker's directories, interpreters and agents in the usual
// binary directories.
#pragma once

#include <functional>
#include <string>

#include "userspace/base/fd.h"

namespace llmtap {

using OnFile = std::function<void(Fd file, const std::string& path)>;

// `root`: "/" or "/proc/PID/root"; links inside are resolved inside. Paths are relative to that
// root. `search_path`: further binary directories, separated by colons, as in $PATH.
void visit_usual_places(const std::string& root, const std::string& search_path,
                        const OnFile& on_file);

// The files that run when `program` is started with this search path: itself, and for a script the
// interpreter that its first line names.
void visit_program(const std::string& program, const std::string& search_path,
                   const OnFile& on_file);

}  // namespace llmtap
