// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/go_table.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace llmtap {
namespace {

// runtime.pcHeader: magic, two zeros, instruction quantum 1, pointer size 8, then words.
constexpr std::array<std::uint8_t, 8> kMagic = {0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8};
constexpr std::uint64_t kMostFunctions = 4U << 20;
// Word of runtime.moduledata that holds the start of text (Go 1.26, section .go.module).
constexpr std::uint64_t kModuleText = 22;

template <class T>
std::optional<T> read(std::span<const std::uint8_t> bytes, std::uint64_t at) {
  if (at > bytes.size() || sizeof(T) > bytes.size() - at) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

// A pointer in the file: as stored, or as the dynamic linker will store it.
std::uint64_t pointer_at(const ElfFile& elf, std::uint64_t address) {
  const std::uint64_t stored = elf.word_at(address).value_or(0);
  if (stored != 0) return stored;
  std::uint64_t value = 0;
  elf.relocations([&](const ElfRelocation& r) {
    if (r.address == address && r.symbol.empty()) value = r.addend;
  });
  return value;
}

}  // namespace

std::optional<GoTable> GoTable::open(const ElfFile& elf) {
  for (const auto& section : elf.sections()) {
    if (!section.name.ends_with(".gopclntab")) continue;
    GoTable table(elf);
    if (table.read_header(section)) return table;
  }
  return std::nullopt;
}

bool GoTable::read_header(const ElfSection& section) {
  const auto bytes = elf_.content(section);
  if (bytes.size() < 72 || !std::equal(kMagic.begin(), kMagic.end(), bytes.begin())) return false;
  const auto word = [&](std::uint64_t index) { return *read<std::uint64_t>(bytes, 8 + 8 * index); };
  const std::uint64_t names = word(3), files = word(4), functions = word(7);
  count_ = word(0);
  if (names > files || files > bytes.size() || functions > bytes.size() ||
      count_ > kMostFunctions || count_ * 8 + 4 > bytes.size() - functions)
    return false;
  names_ = bytes.subspan(names, files - names);
  functions_ = bytes.subspan(functions);
  base_ = pointer_at(elf_, section.address + 8 + 8 * 2);
  if (base_ == 0) base_ = base_from_module(section.address);
  return true;
}

// With external linking the start of .text is not the base; the module data tell.
std::uint64_t GoTable::base_from_module(std::uint64_t table_address) const {
  const ElfSection* const module = elf_.section(".go.module");
  if (module == nullptr || pointer_at(elf_, module->address) != table_address) return 0;
  return pointer_at(elf_, module->address + 8 * kModuleText);
}

// Names are NUL-terminated, one behind the other.
std::optional<std::uint32_t> GoTable::name_offset(std::string_view name) const {
  std::string whole(1, '\0');
  whole += name;
  whole += '\0';
  const void* const at = memmem(names_.data(), names_.size(), whole.data(), whole.size());
  if (at == nullptr) return std::nullopt;
  return static_cast<std::uint32_t>(static_cast<const std::uint8_t*>(at) - names_.data() + 1);
}

std::vector<std::optional<GoFunction>> GoTable::find(
    std::span<const std::string_view> names) const {
  std::vector<std::optional<GoFunction>> found(names.size());
  std::vector<std::optional<std::uint32_t>> offsets;
  for (const auto name : names) offsets.push_back(name_offset(name));
  if (std::none_of(offsets.begin(), offsets.end(), [](auto& o) { return o.has_value(); }))
    return found;
  for (std::uint64_t i = 0; i < count_; ++i) {
    const auto entry = *read<std::uint32_t>(functions_, i * 8);
    const auto where = *read<std::uint32_t>(functions_, i * 8 + 4);
    const auto next = *read<std::uint32_t>(functions_, i * 8 + 8);
    // runtime._func: entry offset, name offset, ...
    const auto name = read<std::uint32_t>(functions_, std::uint64_t{where} + 4);
    if (!name || next <= entry) continue;
    for (std::size_t k = 0; k < offsets.size(); ++k)
      if (offsets[k] == name) found[k] = GoFunction{base_ + entry, base_ + next};
  }
  return found;
}

}  // namespace llmtap
