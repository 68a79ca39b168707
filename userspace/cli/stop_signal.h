// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

namespace llmtap {

// Installs handlers for SIGINT and SIGTERM and ignores SIGPIPE. The flag becomes true at the first
// signal; a second one ends the process at once. Process-wide by nature; call once.
const std::atomic<bool>& stop_on_signals();

// Installs a handler for SIGHUP that sets the flag; whoever acts on it clears it.
std::atomic<bool>& note_hangups();

}  // namespace llmtap
