// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "userspace/app/daemon_metrics.h"

namespace llmtap {

// What a run came to, for people: calls first, then a line for each stage that lost something.
// Pure.
std::vector<std::string> report_lines(const DaemonFigures& figures);

// What a reason means, and what to do about it where something can be done.
std::string_view explain(LossReason reason);

}  // namespace llmtap
