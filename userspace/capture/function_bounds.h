// SPDX-License-Identifier: Apache-2.0
//
// Where does the function start that holds this instruction? From unwind tables (.eh_frame_hdr,
// LSB Core, "Exception Frames") where they cover it, else from the targets of calls.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "userspace/capture/elf.h"

namespace llmtap {

struct FunctionRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;  // at most: the next function starts there or later

  bool holds(std::uint64_t address) const { return address >= begin && address < end; }
  auto operator<=>(const FunctionRange&) const = default;
};

// The functions that hold `addresses` (sorted); nothing where it is not clear. Without complete
// unwind tables this reads all code once.
std::vector<std::optional<FunctionRange>> functions_around(
    const ElfFile& elf, std::span<const std::uint64_t> addresses);

}  // namespace llmtap
