// SPDX-License-Identifier: Apache-2.0
//
// Messages of the daemon about itself, one line each on stderr. Never content of a call, never a
// secret: callers say what happened, not what was said.
#pragma once

#include <string_view>

namespace llmtap {

// Each call is one write(2), so lines of several threads do not mix. Under systemd (stderr is the
// journal) the line carries its priority.
void log_info(std::string_view message);
void log_warning(std::string_view message);
void log_error(std::string_view message);

}  // namespace llmtap
