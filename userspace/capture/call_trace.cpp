// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/call_trace.h"

#include <algorithm>

#include "userspace/capture/x86.h"

namespace llmtap {
namespace {

constexpr int kMostInstructions = 400;  // of all paths together
constexpr int kMostDepth = 12;          // open branches
constexpr int kMostJumps = 4;           // tail jumps and followed calls on one path
// A jump farther than this leaves the function.
constexpr std::uint64_t kFunctionSpan = 0x400;

constexpr std::array<ZydisRegister, 6> kArgumentRegisters = {ZYDIS_REGISTER_RDI, ZYDIS_REGISTER_RSI,
                                                             ZYDIS_REGISTER_RDX, ZYDIS_REGISTER_RCX,
                                                             ZYDIS_REGISTER_R8,  ZYDIS_REGISTER_R9};
constexpr std::size_t kRegisters = 16;  // rax ... r15
using Registers = std::array<TracedValue, kRegisters>;

// Number of the 64-bit register that `reg` is a part of.
std::optional<std::size_t> number(ZydisRegister reg) {
  const auto whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
  if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15) return std::nullopt;
  return static_cast<std::size_t>(whole - ZYDIS_REGISTER_RAX);
}

bool is_register(const ZydisDecodedOperand& operand, std::uint16_t bits) {
  return operand.type == ZYDIS_OPERAND_TYPE_REGISTER && operand.size == bits &&
         number(operand.reg.value).has_value();
}

// What the instruction leaves in its first operand; unknown unless it is one of a few forms.
TracedValue result_of(const Instruction& i, const Registers& registers) {
  using Kind = TracedValue::Kind;
  const auto& to = i.operands[0];
  const auto& from = i.operands[1];
  const auto source = [&] { return registers[*number(from.reg.value)]; };
  switch (i.info.mnemonic) {
    case ZYDIS_MNEMONIC_MOV:
      if (is_register(to, 64) && is_register(from, 64)) return source();
      if (is_register(to, 32) && is_register(from, 32) && source().kind == Kind::kArgument)
        return {Kind::kIntArgument, source().value};
      if (from.type == ZYDIS_OPERAND_TYPE_IMMEDIATE) return {Kind::kConstant, from.imm.value.u};
      return {};
    case ZYDIS_MNEMONIC_MOVSXD:
      if (is_register(from, 32) && source().kind == Kind::kArgument)
        return {Kind::kIntArgument, source().value};
      return {};
    case ZYDIS_MNEMONIC_LEA:
      if (const auto base = number(from.mem.base); base && from.mem.index == ZYDIS_REGISTER_NONE &&
                                                   registers[*base].kind == Kind::kStackAddress)
        return {Kind::kStackAddress, 0};
      return {};
    case ZYDIS_MNEMONIC_XOR:
      if (from.type == ZYDIS_OPERAND_TYPE_REGISTER && from.reg.value == to.reg.value)
        return {Kind::kConstant, 0};
      return {};
    default:
      return {};
  }
}

void execute(const Instruction& i, Registers& registers) {
  const TracedValue result = result_of(i, registers);
  for (std::uint8_t k = 0; k < i.info.operand_count; ++k) {
    const auto& operand = i.operands[k];
    if (operand.type != ZYDIS_OPERAND_TYPE_REGISTER ||
        (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) == 0)
      continue;
    const auto to = number(operand.reg.value);
    if (!to) continue;
    registers[*to] = k == 0 && operand.size >= 32 ? result : TracedValue{};
  }
  // Wherever it moves to.
  registers[ZYDIS_REGISTER_RSP - ZYDIS_REGISTER_RAX] = {TracedValue::Kind::kStackAddress, 0};
}

class Tracer {
 public:
  Tracer(const ElfFile& elf, const std::vector<ElfSymbol>& transparent)
      : elf_(elf), transparent_(transparent) {}

  std::vector<TracedCall> run(std::uint64_t function) {
    Registers registers;
    for (std::size_t k = 0; k < kArgumentRegisters.size(); ++k)
      registers[*number(kArgumentRegisters[k])] = {TracedValue::Kind::kArgument, k};
    registers[ZYDIS_REGISTER_RSP - ZYDIS_REGISTER_RAX] = {TracedValue::Kind::kStackAddress, 0};
    path(function, function, registers, 0, 0);
    if (budget_ <= 0) calls_.clear();
    return std::move(calls_);
  }

 private:
  void path(std::uint64_t function, std::uint64_t at, Registers registers, int depth, int jumps);
  // Records the call; where to go on inside of it, if at all.
  std::optional<std::uint64_t> enter(std::uint64_t target, bool is_tail,
                                     const Registers& registers);
  std::uint64_t behind_plt(std::uint64_t target) const;

  const ElfFile& elf_;
  const std::vector<ElfSymbol>& transparent_;
  int budget_ = kMostInstructions;
  std::vector<TracedCall> calls_;
};

// A PLT stub is an optional endbr64 and `jmp [rip + slot]`.
std::uint64_t Tracer::behind_plt(std::uint64_t target) const {
  if (transparent_.empty()) return target;
  auto code = elf_.at(target);
  auto i = decode(code, target);
  if (i && i->is(ZYDIS_MNEMONIC_ENDBR64)) i = decode(code.subspan(i->info.length), i->next());
  if (!i || !i->is(ZYDIS_MNEMONIC_JMP)) return target;
  const auto slot = i->memory_address();
  if (!slot) return target;
  const auto name = elf_.symbol_stored_at(*slot);
  for (const auto& symbol : transparent_)
    if (symbol.name == name) return symbol.address;
  return target;
}

std::optional<std::uint64_t> Tracer::enter(std::uint64_t target, bool is_tail,
                                           const Registers& registers) {
  TracedCall call{behind_plt(target), is_tail, {}};
  for (std::size_t k = 0; k < kArgumentRegisters.size(); ++k)
    call.arguments[k] = registers[*number(kArgumentRegisters[k])];
  if (std::find(calls_.begin(), calls_.end(), call) == calls_.end()) calls_.push_back(call);
  const bool follow = is_tail || std::any_of(transparent_.begin(), transparent_.end(),
                                             [&](auto& s) { return s.address == call.target; });
  return follow ? std::optional(call.target) : std::nullopt;
}

void Tracer::path(std::uint64_t function, std::uint64_t at, Registers registers, int depth,
                  int jumps) {
  while (--budget_ > 0) {
    const auto i = decode(elf_.at(at), at);
    if (!i) return;
    const auto target = i->target();
    if (target && i->is_conditional_jump()) {
      if (depth >= kMostDepth) return;
      if (*target - function < kFunctionSpan && *target > at)  // loops are not followed
        path(function, *target, registers, depth + 1, jumps);
    } else if (target && (i->is(ZYDIS_MNEMONIC_JMP) || i->is(ZYDIS_MNEMONIC_CALL))) {
      const bool is_tail = i->is(ZYDIS_MNEMONIC_JMP);
      if (++jumps > kMostJumps) return;
      if (is_tail && *target - function < kFunctionSpan) {
        at = *target;
        continue;
      }
      const auto inside = enter(*target, is_tail, registers);
      if (!inside) return;
      function = at = *inside;
      continue;
    } else if (i->info.meta.category == ZYDIS_CATEGORY_RET || i->is(ZYDIS_MNEMONIC_JMP) ||
               i->is(ZYDIS_MNEMONIC_CALL) || i->is(ZYDIS_MNEMONIC_UD2) ||
               i->is(ZYDIS_MNEMONIC_INT3)) {
      return;
    }
    execute(*i, registers);
    at = i->next();
  }
}

}  // namespace

std::vector<TracedCall> trace_calls(const ElfFile& elf, std::uint64_t function,
                                    const std::vector<ElfSymbol>& transparent) {
  return Tracer(elf, transparent).run(function);
}

std::optional<std::uint64_t> emulated_near_entry(const ElfFile& elf, std::uint64_t function) {
  constexpr int kMost = 8;
  std::uint64_t at = function;
  for (int n = 0; n < kMost; ++n) {
    const auto i = decode(elf.at(at), at);
    if (!i) return std::nullopt;
    if (site_class(*i) == SiteClass::kEmulated) return at;
    const auto category = i->info.meta.category;
    if (category == ZYDIS_CATEGORY_UNCOND_BR || category == ZYDIS_CATEGORY_CALL ||
        category == ZYDIS_CATEGORY_RET || category == ZYDIS_CATEGORY_COND_BR)
      return std::nullopt;
    for (std::uint8_t k = 0; k < i->info.operand_count; ++k) {
      const auto& o = i->operands[k];
      if (o.type == ZYDIS_OPERAND_TYPE_REGISTER &&
          (o.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0 &&
          number(o.reg.value) == number(ZYDIS_REGISTER_RDI))
        return std::nullopt;
    }
    at = i->next();
  }
  return std::nullopt;
}

}  // namespace llmtap
