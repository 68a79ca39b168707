// SPDX-License-Identifier: Apache-2.0
//
// BoringSSL and AWS-LC raise every error as ERR_put_error(library, 0, reason, __FILE__, __LINE__).
// So a function that can fail loads its file's name and its reasons, which are numbers of the
// public headers. Stripping keeps both; so do LTO, reordering and new releases.
#pragma once

#include <cstdint>
#include <set>
#include <string_view>
#include <vector>

#include "userspace/capture/elf.h"
#include "userspace/capture/function_bounds.h"

namespace llmtap {

// A function that names the file.
struct AnchoredFunction {
  FunctionRange range;
  std::vector<std::uint64_t> references;  // instructions that load the name, sorted
  std::set<std::uint32_t> constants;      // immediates loaded into argument registers
  std::set<std::uint32_t> lines;          // constants near a reference that can be line numbers
  std::vector<std::uint64_t> calls;       // targets of relative calls and jumps
  bool stores = false;                    // writes through a pointer that is not the stack's

  bool has(std::uint32_t constant) const { return constants.count(constant) != 0; }
};

// All functions that load the name of a source file that ends in `file`. Empty: no such name, or
// more functions than a file has.
std::vector<AnchoredFunction> find_anchored(const ElfFile& elf, std::string_view file);

}  // namespace llmtap
