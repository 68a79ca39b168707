// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/x86.h"

namespace llmtap {
namespace {

const ZydisDecoder& decoder() {
  static const ZydisDecoder instance = [] {
    ZydisDecoder made;
    ZydisDecoderInit(&made, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return made;
  }();
  return instance;
}

bool is_relative_branch(const Instruction& i) {
  return i.info.operand_count_visible == 1 && i.operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
         i.operands[0].imm.is_relative;
}

}  // namespace

std::optional<Instruction> decode(std::span<const std::uint8_t> code, std::uint64_t address) {
  Instruction i;
  i.address = address;
  if (!ZYAN_SUCCESS(
          ZydisDecoderDecodeFull(&decoder(), code.data(), code.size(), &i.info, i.operands.data())))
    return std::nullopt;
  return i;
}

bool Instruction::is_conditional_jump() const {
  return info.meta.category == ZYDIS_CATEGORY_COND_BR;
}

std::optional<std::uint64_t> Instruction::target() const {
  if (!is_relative_branch(*this)) return std::nullopt;
  return next() + static_cast<std::uint64_t>(operands[0].imm.value.s);
}

std::optional<std::uint64_t> Instruction::memory_address() const {
  for (std::uint8_t k = 0; k < info.operand_count_visible; ++k) {
    const auto& operand = operands[k];
    if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY || operand.mem.index != ZYDIS_REGISTER_NONE)
      continue;
    const auto displacement = static_cast<std::uint64_t>(operand.mem.disp.value);
    if (operand.mem.base == ZYDIS_REGISTER_RIP) return next() + displacement;
    if (operand.mem.base == ZYDIS_REGISTER_NONE) return displacement;
  }
  return std::nullopt;
}

SiteClass site_class(const Instruction& i) {
  const auto is_plain = [&](std::uint8_t prefixes) { return i.info.raw.prefix_count == prefixes; };
  if (i.is(ZYDIS_MNEMONIC_PUSH)) {
    // 50+r, with at most the REX.B prefix.
    const bool by_opcode = i.info.opcode >= 0x50 && i.info.opcode <= 0x57;
    const bool rex_b = i.info.length == 2 && i.info.raw.prefixes[0].value == 0x41;
    if (by_opcode && (i.info.length == 1 || rex_b)) return SiteClass::kEmulated;
  }
  if (i.is(ZYDIS_MNEMONIC_NOP) && i.info.length == 1) return SiteClass::kEmulated;
  if (is_relative_branch(i) && is_plain(0)) {
    const bool call_or_jump =
        i.info.opcode == 0xe8 || i.info.opcode == 0xe9 || i.info.opcode == 0xeb;
    const bool short_jcc = i.info.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && i.info.opcode >= 0x70 &&
                           i.info.opcode <= 0x7f;
    const bool near_jcc =
        i.info.opcode_map == ZYDIS_OPCODE_MAP_0F && i.info.opcode >= 0x80 && i.info.opcode <= 0x8f;
    if (call_or_jump || short_jcc || near_jcc) return SiteClass::kEmulated;
  }
  return SiteClass::kStepped;
}

}  // namespace llmtap
