// SPDX-License-Identifier: Apache-2.0
//
// Which calls does a small function pass its arguments on to? Follows every path from the entry up
// to its first calls and tells where each argument register comes from. Nothing is guessed: a value
// that is not exactly one of the kinds below is unknown.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "userspace/capture/elf.h"

namespace llmtap {

struct TracedValue {
  enum class Kind : std::uint8_t {
    kUnknown,
    kArgument,      // argument number `value` of the traced function, unchanged
    kIntArgument,   // the low 32 bits of it, extended
    kConstant,      // `value`
    kStackAddress,  // the address of a local variable
  };
  Kind kind = Kind::kUnknown;
  std::uint64_t value = 0;

  bool is_argument(std::uint64_t index) const { return kind == Kind::kArgument && value == index; }
  bool is_count(std::uint64_t index) const {
    return is_argument(index) || (kind == Kind::kIntArgument && value == index);
  }
  bool is_constant(std::uint64_t c) const { return kind == Kind::kConstant && value == c; }
  bool operator==(const TracedValue&) const = default;
};

struct TracedCall {
  std::uint64_t target = 0;              // PLT stubs of symbols defined here are resolved
  bool is_tail = false;                  // jumped to, as the last act
  std::array<TracedValue, 6> arguments;  // rdi, rsi, rdx, rcx, r8, r9

  bool operator==(const TracedCall&) const = default;
};

// Relative calls and tail jumps that are reached from `function` before any other call returned.
// Jumps are followed, so the calls of a tail-called function are in the list as well, behind the
// tail jump itself. A call into one of `transparent` is followed too. Empty if the code is odd.
std::vector<TracedCall> trace_calls(const ElfFile& elf, std::uint64_t function,
                                    const std::vector<ElfSymbol>& transparent = {});

// Past the entry of `function`: the first emulated instruction that every call passes with the
// first argument still in rdi. For probes that look at that argument only and want no return.
std::optional<std::uint64_t> emulated_near_entry(const ElfFile& elf, std::uint64_t function);

}  // namespace llmtap
