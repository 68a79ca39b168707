// SPDX-License-Identifier: Apache-2.0
//
// One x86-64 instruction of a file, and what a uprobe on it costs.
#pragma once

#include <Zydis/Zydis.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "userspace/capture/probe_site.h"

namespace llmtap {

struct Instruction {
  std::uint64_t address = 0;
  ZydisDecodedInstruction info = {};
  std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> operands = {};

  std::uint64_t next() const { return address + info.length; }
  bool is(ZydisMnemonic mnemonic) const { return info.mnemonic == mnemonic; }
  bool is_conditional_jump() const;
  // Where a relative call or jump goes; nothing for all other instructions.
  std::optional<std::uint64_t> target() const;
  // The address of a memory operand [rip + d], or of an absolute one.
  std::optional<std::uint64_t> memory_address() const;
};

// The instruction at the start of `code`, which stands at `address`; nothing if it is none.
std::optional<Instruction> decode(std::span<const std::uint8_t> code, std::uint64_t address);

// How Linux executes this instruction under a uprobe (arch/x86/kernel/uprobes.c: branch_ and
// push_setup_xol_ops). Long nops, emulated since 2025 only, count as stepped.
SiteClass site_class(const Instruction& instruction);

}  // namespace llmtap
