// SPDX-License-Identifier: Apache-2.0
//
// Builds every sink that the configuration asks for.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "parsers/core/result.h"
#include "userspace/app/config.h"
#include "userspace/sinks/sink.h"

namespace llmtap {

struct Destinations {
  std::vector<std::unique_ptr<Sink>> sinks;
  std::vector<std::string> lines;  // what is on and where it goes, for the start-up message
};

Result<Destinations> open_destinations(const Config& config);

}  // namespace llmtap
