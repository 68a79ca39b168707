// SPDX-License-Identifier: Apache-2.0
//
// Bounds-checked reader of 64-bit little-endian ELF files (System V gABI). Files are hostile: every
// offset, size and index is checked against the file, and a table that does not fit is absent; so
// is what together is longer than the file. Each pass takes time in proportion to the file.
//
// Addresses are the file's own virtual addresses (before relocation); file offsets are what uprobes
// want. Views and spans are valid while the ElfFile lives.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/core/result.h"
#include "userspace/capture/mapped_file.h"

namespace llmtap {

struct ElfSection {
  std::string_view name;
  std::uint32_t type = 0;
  std::uint32_t link = 0;
  std::uint64_t flags = 0;
  std::uint64_t address = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

// A PT_LOAD segment; clipped to the file.
struct ElfSegment {
  std::uint64_t address = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;  // in the file
  bool executable = false;
  bool writable = false;
};

struct ElfSymbol {
  std::string_view name;
  std::uint64_t address = 0;
  std::uint64_t size = 0;
};

// A dynamic relocation that fills one word with an address of this file (R_X86_64_RELATIVE) or of
// a symbol (name not empty).
struct ElfRelocation {
  std::uint64_t address = 0;  // of the word
  std::uint64_t addend = 0;
  std::string_view symbol;
};

class ElfFile {
 public:
  static Result<ElfFile> open(const std::string& path);

  std::span<const std::uint8_t> bytes() const { return file_.bytes(); }
  const MappedFile& file() const { return file_; }
  bool is_x86_64() const;
  bool is_position_independent() const;  // ET_DYN: a shared object or a PIE
  const std::vector<ElfSection>& sections() const { return sections_; }
  const ElfSection* section(std::string_view name) const;
  std::span<const std::uint8_t> content(const ElfSection& section) const;
  const std::vector<ElfSegment>& segments() const { return segments_; }

  std::string build_id() const;                  // hexadecimal; empty if there is none
  std::vector<std::string_view> needed() const;  // DT_NEEDED

  // Defined symbols of .dynsym and .symtab whose names `wanted` accepts, each name once. One pass.
  std::vector<ElfSymbol> functions(const std::function<bool(std::string_view)>& wanted) const;

  std::optional<std::uint64_t> offset_of(std::uint64_t address) const;
  std::optional<std::uint64_t> address_of(std::uint64_t offset) const;
  bool is_executable(std::uint64_t address) const;
  // From `address` to the end of its segment in the file; empty if it is in none.
  std::span<const std::uint8_t> at(std::uint64_t address) const;
  std::optional<std::uint64_t> word_at(std::uint64_t address) const;  // 8 bytes, as in the file

  // Calls `visit` for each dynamic relocation of the two kinds above, in file order.
  void relocations(const std::function<void(const ElfRelocation&)>& visit) const;
  // Name of the symbol that the dynamic linker stores at `address`; empty if none.
  std::string_view symbol_stored_at(std::uint64_t address) const;

 private:
  explicit ElfFile(MappedFile file) : file_(std::move(file)) {}
  bool read_header();
  void read_sections(std::uint64_t offset, std::uint64_t count, std::uint64_t names);
  void read_segments(std::uint64_t offset, std::uint64_t count);

  MappedFile file_;
  std::uint16_t machine_ = 0;
  std::uint16_t type_ = 0;
  std::vector<ElfSection> sections_;
  std::vector<ElfSegment> segments_;
};

}  // namespace llmtap
