// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/elf.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <unordered_set>

namespace llmtap {
namespace {

constexpr std::uint64_t kMostSections = 65536;
constexpr std::uint64_t kMostSegments = 4096;
constexpr std::uint64_t kMostTables = 1ULL << 30;  // bytes; a sparse file costs its owner nothing
constexpr std::size_t kLongestName = 4096;

using Bytes = std::span<const std::uint8_t>;

// [offset, offset + size) of `bytes`, or nothing.
Bytes slice(Bytes bytes, std::uint64_t offset, std::uint64_t size) {
  if (offset > bytes.size() || size > bytes.size() - offset) return {};
  return bytes.subspan(offset, size);
}

// Copies: nothing says that a table in the file is aligned.
template <class T>
std::optional<T> read(Bytes bytes, std::uint64_t offset) {
  const Bytes from = slice(bytes, offset, sizeof(T));
  if (from.empty()) return std::nullopt;
  T value;
  std::memcpy(&value, from.data(), sizeof(T));
  return value;
}

// The NUL-terminated string at `offset` of a string table; empty if it does not end inside, or is
// longer than any name that is looked for.
std::string_view string_at(Bytes table, std::uint64_t offset) {
  if (offset >= table.size()) return {};
  const auto* begin = reinterpret_cast<const char*>(table.data()) + offset;
  const std::size_t room = std::min<std::uint64_t>(table.size() - offset, kLongestName);
  const std::size_t length = strnlen(begin, room);
  return length == room ? std::string_view{} : std::string_view(begin, length);
}

// What is left of a file to be believed: its sections do not overlap (gABI, "Sections"), so all
// together are no longer than it is. Else each of 65,536 headers could name the same large table.
class Room {
 public:
  explicit Room(std::uint64_t file) : all_(file), tables_(std::min(file, kMostTables)) {}

  bool take(const Elf64_Shdr& section) {
    const bool is_table = section.sh_type == SHT_SYMTAB || section.sh_type == SHT_DYNSYM ||
                          section.sh_type == SHT_RELA || section.sh_type == SHT_DYNAMIC ||
                          section.sh_type == SHT_NOTE;
    if (section.sh_size > all_ || (is_table && section.sh_size > tables_)) return false;
    all_ -= section.sh_size;
    if (is_table) tables_ -= section.sh_size;
    return true;
  }

 private:
  std::uint64_t all_, tables_;
};

}  // namespace

Result<ElfFile> ElfFile::open(const std::string& path) {
  auto file = MappedFile::open(path);
  if (!file) return file.error();
  ElfFile elf(std::move(*file));
  if (!elf.read_header()) return Error{path + ": not a 64-bit little-endian ELF file"};
  return elf;
}

bool ElfFile::read_header() {
  const auto header = read<Elf64_Ehdr>(bytes(), 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
      header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB)
    return false;
  machine_ = header->e_machine;
  type_ = header->e_type;
  if (header->e_phentsize == sizeof(Elf64_Phdr)) read_segments(header->e_phoff, header->e_phnum);
  if (header->e_shoff == 0 || header->e_shentsize != sizeof(Elf64_Shdr)) return true;
  // Large counts live in section 0 (gABI, "Section header table").
  const auto first = read<Elf64_Shdr>(bytes(), header->e_shoff);
  if (!first) return true;
  const std::uint64_t count = header->e_shnum != 0 ? header->e_shnum : first->sh_size;
  const std::uint64_t names =
      header->e_shstrndx != SHN_XINDEX ? header->e_shstrndx : first->sh_link;
  read_sections(header->e_shoff, std::min(count, kMostSections), names);
  return true;
}

void ElfFile::read_sections(std::uint64_t offset, std::uint64_t count, std::uint64_t names) {
  const Bytes raw = slice(bytes(), offset, count * sizeof(Elf64_Shdr));
  if (raw.empty()) return;
  Bytes strings;
  if (const auto header = read<Elf64_Shdr>(raw, names * sizeof(Elf64_Shdr)))
    strings = slice(bytes(), header->sh_offset, header->sh_size);
  sections_.reserve(count);
  Room room(bytes().size());
  for (std::uint64_t i = 0; i < count; ++i) {
    auto h = *read<Elf64_Shdr>(raw, i * sizeof(Elf64_Shdr));
    if (h.sh_type != SHT_NOBITS && !room.take(h)) h.sh_size = 0;
    sections_.push_back({string_at(strings, h.sh_name), h.sh_type, h.sh_link, h.sh_flags, h.sh_addr,
                         h.sh_offset, h.sh_size});
  }
}

void ElfFile::read_segments(std::uint64_t offset, std::uint64_t count) {
  std::uint64_t room = 2 * bytes().size();  // neighbours may share a page
  for (std::uint64_t i = 0; i < std::min(count, kMostSegments); ++i) {
    const auto h = read<Elf64_Phdr>(bytes(), offset + i * sizeof(Elf64_Phdr));
    if (!h) return;
    if (h->p_type != PT_LOAD || h->p_offset >= bytes().size()) continue;
    const std::uint64_t size = std::min<std::uint64_t>(h->p_filesz, bytes().size() - h->p_offset);
    if (h->p_vaddr + size < h->p_vaddr || size > room) continue;
    room -= size;
    segments_.push_back(
        {h->p_vaddr, h->p_offset, size, (h->p_flags & PF_X) != 0, (h->p_flags & PF_W) != 0});
  }
}

bool ElfFile::is_x86_64() const { return machine_ == EM_X86_64; }
bool ElfFile::is_position_independent() const { return type_ == ET_DYN; }

const ElfSection* ElfFile::section(std::string_view name) const {
  const auto found = std::find_if(sections_.begin(), sections_.end(),
                                  [&](const ElfSection& s) { return s.name == name; });
  return found == sections_.end() ? nullptr : &*found;
}

std::span<const std::uint8_t> ElfFile::content(const ElfSection& section) const {
  if (section.type == SHT_NOBITS) return {};
  return slice(bytes(), section.offset, section.size);
}

std::string ElfFile::build_id() const {
  for (const auto& section : sections_) {
    if (section.type != SHT_NOTE) continue;
    const Bytes notes = content(section);
    for (std::uint64_t at = 0; at < notes.size();) {
      const auto note = read<Elf64_Nhdr>(notes, at);
      if (!note) break;
      const std::uint64_t name = at + sizeof(Elf64_Nhdr);
      const std::uint64_t desc = name + ((std::uint64_t{note->n_namesz} + 3) & ~3ULL);
      const Bytes id = slice(notes, desc, note->n_descsz);
      const Bytes owner = slice(notes, name, note->n_namesz);
      if (note->n_type == NT_GNU_BUILD_ID && owner.size() == 4 &&
          std::memcmp(owner.data(), "GNU", 4) == 0 && id.size() <= 64) {
        std::string hex;
        for (const std::uint8_t byte : id) {
          hex += "0123456789abcdef"[byte >> 4];
          hex += "0123456789abcdef"[byte & 15];
        }
        return hex;
      }
      at = desc + ((std::uint64_t{note->n_descsz} + 3) & ~3ULL);
    }
  }
  return {};
}

std::vector<std::string_view> ElfFile::needed() const {
  std::vector<std::string_view> names;
  for (const auto& section : sections_) {
    if (section.type != SHT_DYNAMIC || section.link >= sections_.size()) continue;
    const Bytes strings = content(sections_[section.link]);
    const Bytes entries = content(section);
    for (std::uint64_t at = 0; const auto entry = read<Elf64_Dyn>(entries, at);
         at += sizeof(Elf64_Dyn)) {
      if (entry->d_tag == DT_NULL) break;
      if (entry->d_tag == DT_NEEDED) names.push_back(string_at(strings, entry->d_un.d_val));
    }
  }
  return names;
}

std::vector<ElfSymbol> ElfFile::functions(
    const std::function<bool(std::string_view)>& wanted) const {
  std::vector<ElfSymbol> found;
  std::unordered_set<std::string_view> seen;
  for (const auto& section : sections_) {
    if (section.type != SHT_DYNSYM && section.type != SHT_SYMTAB) continue;
    if (section.link >= sections_.size()) continue;
    const Bytes strings = content(sections_[section.link]);
    const Bytes symbols = content(section);
    const std::uint64_t count = symbols.size() / sizeof(Elf64_Sym);
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto symbol = *read<Elf64_Sym>(symbols, i * sizeof(Elf64_Sym));
      if (symbol.st_shndx == SHN_UNDEF || symbol.st_value == 0) continue;
      if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC) continue;
      const std::string_view name = string_at(strings, symbol.st_name);
      if (!name.empty() && wanted(name) && seen.insert(name).second)
        found.push_back({name, symbol.st_value, symbol.st_size});
    }
  }
  return found;
}

std::optional<std::uint64_t> ElfFile::offset_of(std::uint64_t address) const {
  for (const auto& s : segments_)
    if (address >= s.address && address - s.address < s.size) return address - s.address + s.offset;
  return std::nullopt;
}

std::optional<std::uint64_t> ElfFile::address_of(std::uint64_t offset) const {
  for (const auto& s : segments_)
    if (offset >= s.offset && offset - s.offset < s.size) return offset - s.offset + s.address;
  return std::nullopt;
}

bool ElfFile::is_executable(std::uint64_t address) const {
  return std::any_of(segments_.begin(), segments_.end(), [&](const ElfSegment& s) {
    return s.executable && address >= s.address && address - s.address < s.size;
  });
}

std::span<const std::uint8_t> ElfFile::at(std::uint64_t address) const {
  for (const auto& s : segments_)
    if (address >= s.address && address - s.address < s.size)
      return bytes().subspan(s.offset + (address - s.address), s.size - (address - s.address));
  return {};
}

std::optional<std::uint64_t> ElfFile::word_at(std::uint64_t address) const {
  return read<std::uint64_t>(at(address), 0);
}

void ElfFile::relocations(const std::function<void(const ElfRelocation&)>& visit) const {
  for (const auto& section : sections_) {
    if (section.type != SHT_RELA || (section.flags & SHF_ALLOC) == 0) continue;
    Bytes symbols, strings;
    if (section.link != 0 && section.link < sections_.size()) {
      symbols = content(sections_[section.link]);
      const auto names = sections_[section.link].link;
      if (names < sections_.size()) strings = content(sections_[names]);
    }
    const Bytes entries = content(section);
    for (std::uint64_t at = 0; const auto entry = read<Elf64_Rela>(entries, at);
         at += sizeof(Elf64_Rela)) {
      ElfRelocation relocation{entry->r_offset, static_cast<std::uint64_t>(entry->r_addend), {}};
      const auto type = ELF64_R_TYPE(entry->r_info);
      if (type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT || type == R_X86_64_64) {
        const auto symbol =
            read<Elf64_Sym>(symbols, ELF64_R_SYM(entry->r_info) * sizeof(Elf64_Sym));
        if (!symbol) continue;
        relocation.symbol = string_at(strings, symbol->st_name);
        if (relocation.symbol.empty()) continue;
      } else if (type != R_X86_64_RELATIVE) {
        continue;
      }
      visit(relocation);
    }
  }
}

std::string_view ElfFile::symbol_stored_at(std::uint64_t address) const {
  std::string_view name;
  relocations([&](const ElfRelocation& relocation) {
    if (relocation.address == address) name = relocation.symbol;
  });
  return name;
}

}  // namespace llmtap
