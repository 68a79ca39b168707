// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/error_anchor.h"

#include <algorithm>
#include <map>
#include <optional>

#include "userspace/capture/code_scan.h"
#include "userspace/capture/x86.h"

namespace llmtap {
namespace {

// The end of a function is not known for sure. Its errors are raised within this much of its file
// name, and the rest of it is not much longer.
constexpr std::uint64_t kBehindReference = 80;
constexpr std::uint64_t kRest = 512;
// Where the line of an error is loaded, around the load of the file's name.
constexpr std::uint64_t kNearReference = 48;
constexpr std::uint32_t kLeastLine = 300;  // reasons are smaller
constexpr std::uint32_t kMostLine = 20000;
constexpr std::size_t kMostFunctions = 4096;  // of one source file

bool is_stack(ZydisRegister reg) {
  return reg == ZYDIS_REGISTER_RSP || reg == ZYDIS_REGISTER_RBP || reg == ZYDIS_REGISTER_RIP;
}

bool stores_through_pointer(const Instruction& i) {
  for (std::uint8_t k = 0; k < i.info.operand_count_visible; ++k) {
    const auto& operand = i.operands[k];
    if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY &&
        (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0 &&
        operand.mem.base != ZYDIS_REGISTER_NONE && !is_stack(operand.mem.base))
      return true;
  }
  return false;
}

// mov r32, imm32, or the push imm8 of `push imm8; pop r64`.
std::optional<std::uint32_t> loaded_constant(const Instruction& i) {
  const auto& last = i.operands[i.is(ZYDIS_MNEMONIC_PUSH) ? 0 : 1];
  if (last.type != ZYDIS_OPERAND_TYPE_IMMEDIATE) return std::nullopt;
  const bool moved = i.is(ZYDIS_MNEMONIC_MOV) &&
                     i.operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER && i.operands[0].size == 32;
  if (!moved && !i.is(ZYDIS_MNEMONIC_PUSH)) return std::nullopt;
  return static_cast<std::uint32_t>(last.imm.value.u);
}

void read_body(const ElfFile& elf, AnchoredFunction& function) {
  std::vector<std::pair<std::uint64_t, std::uint32_t>> loads;
  const std::uint64_t last_error = function.references.back() + kBehindReference;
  const std::uint64_t end = std::min(function.range.end, last_error + kRest);
  for (std::uint64_t at = function.range.begin; at < end;) {
    const auto i = decode(elf.at(at), at);
    if (!i) {
      ++at;  // data between code: find the next instruction
      continue;
    }
    if (const auto constant = loaded_constant(*i); constant && at < last_error) {
      function.constants.insert(*constant);
      loads.emplace_back(at, *constant);
    }
    const bool leaves = i->is(ZYDIS_MNEMONIC_CALL) || i->is(ZYDIS_MNEMONIC_JMP);
    if (leaves && i->target()) function.calls.push_back(*i->target());
    function.stores = function.stores || stores_through_pointer(*i);
    at = i->next();
  }
  for (const auto& [at, constant] : loads) {
    const auto next = std::lower_bound(function.references.begin(), function.references.end(),
                                       at - std::min(at, kNearReference));
    const bool near = next != function.references.end() && *next <= at + kNearReference;
    if (near && constant >= kLeastLine && constant <= kMostLine) function.lines.insert(constant);
  }
}

}  // namespace

std::vector<AnchoredFunction> find_anchored(const ElfFile& elf, std::string_view file) {
  const auto strings = find_strings(elf, file);
  if (strings.empty()) return {};
  const auto references = find_references(elf, strings);
  std::vector<std::uint64_t> addresses;
  for (const auto& reference : references) addresses.push_back(reference.address);
  const auto ranges = functions_around(elf, addresses);
  std::map<std::uint64_t, AnchoredFunction> functions;
  for (std::size_t k = 0; k < addresses.size(); ++k) {
    if (!ranges[k]) continue;
    auto& function = functions[ranges[k]->begin];
    function.range = *ranges[k];
    function.references.push_back(addresses[k]);
  }
  std::vector<AnchoredFunction> found;
  if (functions.size() > kMostFunctions) return found;
  for (auto& [begin, function] : functions) {
    read_body(elf, function);
    found.push_back(std::move(function));
  }
  return found;
}

}  // namespace llmtap
