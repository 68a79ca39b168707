// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace llmtap {

// What this process uses, now. A figure that /proc does not give is 0.
struct SelfUsage {
  double cpu_seconds = 0;  // user and system, all threads
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t open_files = 0;
  std::uint64_t max_files = 0;
  double start_time = 0;  // Unix seconds
};

SelfUsage self_usage();

}  // namespace llmtap
