// SPDX-License-Identifier: Apache-2.0
//
// Searches through all code and read-only data of a large file, once from front to back, without
// keeping its pages in memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/capture/elf.h"

namespace llmtap {

// Addresses of the NUL-terminated strings that end in `tail`. A string starts behind the last byte
// that is not printable. Executable segments and Bun's embedded application are left out.
std::vector<std::uint64_t> find_strings(const ElfFile& elf, std::string_view tail);

// The `behind` bytes behind each `text` of the same data.
std::vector<std::string> find_texts(const ElfFile& elf, std::string_view text, std::size_t behind);

struct CodeReference {
  std::uint64_t address = 0;  // of the instruction
  std::uint64_t target = 0;

  auto operator<=>(const CodeReference&) const = default;
};

// Instructions that load the address of one of `targets` (at most 64): lea r64, [rip + d], and in
// files with fixed addresses mov r32, imm32. In order of address.
std::vector<CodeReference> find_references(const ElfFile& elf,
                                           std::span<const std::uint64_t> targets);

// Relative calls of `target` and jumps to it, by their addresses, sorted.
std::vector<std::uint64_t> find_calls(const ElfFile& elf, std::uint64_t target);

struct CodeRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

// Where relative calls go, inside of the ranges (not empty, a few); sorted, each once.
std::vector<std::uint64_t> find_call_targets(const ElfFile& elf, std::span<const CodeRange> ranges);

}  // namespace llmtap
