// SPDX-License-Identifier: Apache-2.0
//
// Go crypto/tls, 1.21 to 1.26. Never a return probe: Go moves stacks, and a hijacked return address
// would be lost.
//
//   write: the `push rbp` behind the stack check of (*Conn).Write. The entry itself is stepped, and
//     runs twice when the stack grows. rax conn, rbx buffer, rcx length.
//   read: in (*Conn).readRecordOrCCS, the conditional jump behind the only call of
//     (*halfConn).decrypt. Results of the call, by Go's ABI: rax data, rbx length, dil record type,
//     rsi error; [rbp+16] is where the caller of readRecordOrCCS spilled conn.
#include <algorithm>
#include <array>
#include <iterator>

#include "userspace/capture/go_table.h"
#include "userspace/capture/site_finders.h"
#include "userspace/capture/x86.h"

namespace llmtap {
namespace {

constexpr std::array<std::string_view, 3> kFunctions = {"crypto/tls.(*Conn).Write",
                                                        "crypto/tls.(*Conn).readRecordOrCCS",
                                                        "crypto/tls.(*halfConn).decrypt"};
constexpr std::uint64_t kMostPrologue = 32;    // bytes up to the push
constexpr std::uint64_t kMostBehindCall = 16;  // bytes up to the jump
constexpr std::uint64_t kMostFunction = 64 << 10;

bool writes_any(const Instruction& i, std::initializer_list<ZydisRegister> registers) {
  for (std::uint8_t k = 0; k < i.info.operand_count; ++k) {
    const auto& operand = i.operands[k];
    if (operand.type != ZYDIS_OPERAND_TYPE_REGISTER ||
        (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) == 0)
      continue;
    const auto whole =
        ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, operand.reg.value);
    if (std::find(registers.begin(), registers.end(), whole) != registers.end()) return true;
  }
  return false;
}

// The push of the frame pointer on the way of every call, arguments still in place.
std::optional<std::uint64_t> find_push(const ElfFile& elf, const GoFunction& function) {
  const std::uint64_t end = std::min(function.end, function.begin + kMostPrologue);
  for (std::uint64_t at = function.begin; at < end;) {
    const auto i = decode(elf.at(at), at);
    if (!i) return std::nullopt;
    if (i->is(ZYDIS_MNEMONIC_PUSH))
      return site_class(*i) == SiteClass::kEmulated ? std::optional(at) : std::nullopt;
    const bool leaves = i->target() && !i->is_conditional_jump();
    if (leaves || writes_any(*i, {ZYDIS_REGISTER_RAX, ZYDIS_REGISTER_RBX, ZYDIS_REGISTER_RCX}))
      return std::nullopt;
    at = i->next();
  }
  return std::nullopt;
}

// The first conditional jump behind the call at `call`, results still in place.
std::optional<std::uint64_t> find_jump_behind(const ElfFile& elf, const Instruction& call) {
  for (std::uint64_t at = call.next(); at < call.next() + kMostBehindCall;) {
    const auto i = decode(elf.at(at), at);
    if (!i) return std::nullopt;
    if (i->is_conditional_jump())
      return site_class(*i) == SiteClass::kEmulated ? std::optional(at) : std::nullopt;
    if (i->target() || writes_any(*i, {ZYDIS_REGISTER_RAX, ZYDIS_REGISTER_RBX, ZYDIS_REGISTER_RDI,
                                       ZYDIS_REGISTER_RSI, ZYDIS_REGISTER_RBP}))
      return std::nullopt;
    at = i->next();
  }
  return std::nullopt;
}

std::optional<std::uint64_t> find_decrypted(const ElfFile& elf, const GoFunction& reader,
                                            const GoFunction& decrypt) {
  std::optional<Instruction> call;
  const std::uint64_t end = std::min(reader.end, reader.begin + kMostFunction);
  for (std::uint64_t at = reader.begin; at < end;) {
    const auto i = decode(elf.at(at), at);
    if (!i) return std::nullopt;
    if (i->is(ZYDIS_MNEMONIC_CALL) && i->target() == decrypt.begin) {
      if (call) return std::nullopt;  // not unique
      call = i;
    }
    at = i->next();
  }
  return call ? find_jump_behind(elf, *call) : std::nullopt;
}

ProbePlan refused(const char* reason) { return {TLS_LIB_GO, {}, reason}; }

}  // namespace

ProbePlan find_go(const ElfFile& elf) {
  const auto table = GoTable::open(elf);
  if (!table) return {};
  const auto functions = table->find(kFunctions);
  if (!functions[0] && !functions[1]) return {};  // does not speak TLS
  if (!elf.is_x86_64()) return refused("Go crypto/tls: only x86-64 is supported");
  if (!table->has_base())
    return refused("Go crypto/tls: the program does not say where its code is");
  if (!functions[0] || !functions[1] || !functions[2])
    return refused("Go crypto/tls: a function is missing (Go 1.21 to 1.26 is supported)");
  const auto write = find_push(elf, *functions[0]);
  const auto read = find_decrypted(elf, *functions[1], *functions[2]);
  if (!write || !read || !elf.offset_of(*write) || !elf.offset_of(*read))
    return refused("Go crypto/tls: code of an unknown shape (Go 1.21 to 1.26 is supported)");
  const auto site = [&](std::uint64_t address, tls_call_shape shape, tls_direction direction,
                        std::size_t function) {
    return ProbeSite{*elf.offset_of(address),
                     TLS_COOKIE(shape, direction, TLS_LIB_GO),
                     false,
                     SiteClass::kEmulated,
                     SiteKind::kFound,
                     std::string(kFunctions[function])};
  };
  return {
      TLS_LIB_GO,
      {site(*write, TLS_CALL_GO_WRITE, TLS_WRITE, 0), site(*read, TLS_CALL_GO_READ, TLS_READ, 1)},
      {}};
}

}  // namespace llmtap
