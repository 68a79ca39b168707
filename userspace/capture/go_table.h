// SPDX-License-Identifier: Apache-2.0
//
// The function table of a Go program (runtime/symtab.go, "pclntab"), Go 1.20 to 1.26. It is there
// in stripped programs as well: the runtime needs it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/capture/elf.h"

namespace llmtap {

struct GoFunction {
  std::uint64_t begin = 0;  // address
  std::uint64_t end = 0;
};

class GoTable {
 public:
  // Nothing: not a Go program, or of another version. The ElfFile must outlive this.
  static std::optional<GoTable> open(const ElfFile& elf);

  // The base of all function addresses; nothing if the file does not say it.
  bool has_base() const { return base_ != 0; }

  // Functions by their full names ("crypto/tls.(*Conn).Write"), in the order asked for; absent
  // where the linker dropped the function or inlined it everywhere.
  std::vector<std::optional<GoFunction>> find(std::span<const std::string_view> names) const;

 private:
  explicit GoTable(const ElfFile& elf) : elf_(elf) {}
  bool read_header(const ElfSection& section);
  std::uint64_t base_from_module(std::uint64_t table_address) const;
  std::optional<std::uint32_t> name_offset(std::string_view name) const;

  const ElfFile& elf_;
  std::span<const std::uint8_t> names_;
  std::span<const std::uint8_t> functions_;  // pairs of entry and offset, then the entries
  std::uint64_t count_ = 0;
  std::uint64_t base_ = 0;
};

}  // namespace llmtap
