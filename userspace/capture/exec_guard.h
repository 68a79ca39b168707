// SPDX-License-Identifier: Apache-2.0
//
// Opt-in guarantee for the first call of a program that was never seen: the kernel asks before it
// executes a file (fanotify(7), FAN_OPEN_EXEC_PERM) and waits until its probes are in place. When
// this process dies, the kernel lets everything go on by itself.
//
// Known files are let go at once; a new one is held for as long as it takes to look at it, at most
// kLongestHold. Programs run while another one is held.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "parsers/core/result.h"
#include "userspace/base/fd.h"

namespace llmtap {

class ExecGuard {
 public:
  struct Hooks {
    // Begins to look at a file that is about to run; returns quickly. A name for `is_done`.
    std::function<std::uint64_t(Fd file)> look;
    std::function<bool(std::uint64_t)> is_done;
  };
  // Needs CAP_SYS_ADMIN and CONFIG_FANOTIFY_ACCESS_PERMISSIONS; errors say so. Guards every mounted
  // file system that can hold programs. The hooks run on the guard's own thread.
  static Result<std::unique_ptr<ExecGuard>> start(Hooks hooks);
  ~ExecGuard();

  // The file system of this directory as well (a container's root). Thread safe.
  void add(const std::string& directory);

  static constexpr std::chrono::milliseconds kLongestHold{1500};

 private:
  struct State;
  explicit ExecGuard(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace llmtap
