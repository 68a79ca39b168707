// SPDX-License-Identifier: Apache-2.0
//
// Counts what a program does with memory: bytes that the C library's functions copied, set, searched
// and compared, and what was allocated. op_count.cpp defines those functions for the whole
// executable, so the standard library and simdjson are counted too. The counts depend on the input
// only: a test can bound them where a time would be noise.
#pragma once

#include <cstdint>

namespace llmtap::testing {

struct OpCount {
  std::uint64_t moved = 0;      // memcpy, memmove, memset
  std::uint64_t scanned = 0;    // memchr, memcmp
  std::uint64_t calls = 0;      // of these functions
  std::uint64_t allocations = 0;
  std::uint64_t allocated = 0;  // bytes asked for
  std::uint64_t live = 0;       // bytes of the heap that are not freed, with malloc's overhead
};

// Since the program began.
OpCount op_count();

}  // namespace llmtap::testing
