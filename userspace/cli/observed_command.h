// SPDX-License-Identifier: Apache-2.0
//
// The command behind `run -- CMD`: forked at once, held until capture is ready, then executed.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "parsers/core/result.h"
#include "userspace/base/fd.h"

namespace llmtap {

class ObservedCommand {
 public:
  // The child exists and waits; its pid can be made a target.
  static Result<ObservedCommand> fork_held(const std::vector<std::string>& command);

  pid_t pid() const { return pid_; }
  // Executes the command. An error names why it could not be executed.
  Status release();
  // Its exit code (128 + signal) once it has ended.
  std::optional<int> ended();

 private:
  ObservedCommand(pid_t pid, Fd go, Fd failure)
      : pid_(pid), go_(std::move(go)), failure_(std::move(failure)) {}

  pid_t pid_;
  Fd go_;       // a byte lets the child go on
  Fd failure_;  // carries errno of a failed exec; end of file: executed
  std::optional<int> code_;
};

}  // namespace llmtap
