// SPDX-License-Identifier: Apache-2.0
//
// What a destination may see of a call: its content policy and its sampling, from the
// configuration.
#pragma once

#include <string_view>

#include "userspace/app/config.h"
#include "userspace/sinks/queued_sink.h"

namespace llmtap {

// Empty if the destination sees everything. `config` has been checked: its expressions and filters
// are good. `destination`: its section in the file.
Prepare content_rules(const Config& config, std::string_view destination, ContentPolicy policy);

}  // namespace llmtap
