// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/stop_signal.h"

#include <csignal>

namespace llmtap {
namespace {

std::atomic<bool> stop{false};  // a signal handler can reach nothing else
std::atomic<bool> hangup{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void on_signal(int signal) {
  if (stop.exchange(true)) std::signal(signal, SIG_DFL), std::raise(signal);
}

}  // namespace

std::atomic<bool>& note_hangups() {
  struct sigaction action{};
  action.sa_handler = [](int) { hangup = true; };
  ::sigaction(SIGHUP, &action, nullptr);
  return hangup;
}

const std::atomic<bool>& stop_on_signals() {
  struct sigaction action{};
  action.sa_handler = on_signal;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return stop;
}

}  // namespace llmtap
