// SPDX-License-Identifier: Apache-2.0
//
// Makes small ELF files for tests: code at an address, named functions, read-only data.
#pragma once

#include <elf.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

namespace llmtap::test {

// A file that is gone when this goes.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content) {
    char name[] = "/tmp/llmtap-test-XXXXXX";
    ::close(mkstemp(name));
    path_ = name;
    std::ofstream(path_, std::ios::binary) << content;
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

using Bytes = std::vector<std::uint8_t>;

inline constexpr std::uint64_t kTextAddress = 0x401000;
inline constexpr std::uint64_t kTextOffset = 0x1000;
inline constexpr std::uint64_t kDataAddress = 0x10000000;

// Of a library for x86-64: segments right behind the header, sections at `sections_at`.
inline Elf64_Ehdr elf_header(std::size_t segments, std::uint64_t sections_at,
                             std::size_t sections) {
  Elf64_Ehdr header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = ET_DYN;
  header.e_machine = EM_X86_64;
  header.e_phoff = sizeof(header);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = static_cast<Elf64_Half>(segments);
  header.e_shoff = sections_at;
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = static_cast<Elf64_Half>(sections);
  return header;
}

class ElfBuilder {
 public:
  // Places `code` at kTextAddress + `at`; a name makes it a function of .dynsym.
  ElfBuilder& function(std::uint64_t at, const Bytes& code, const std::string& name = {}) {
    if (text_.size() < at + code.size()) text_.resize(at + code.size(), 0xcc);
    std::memcpy(text_.data() + at, code.data(), code.size());
    if (!name.empty()) functions_.push_back({name, kTextAddress + at, code.size()});
    return *this;
  }

  // Places read-only data at kDataAddress + `at`.
  ElfBuilder& data(std::uint64_t at, const Bytes& content) {
    if (data_.size() < at + content.size()) data_.resize(at + content.size(), 0);
    std::memcpy(data_.data() + at, content.data(), content.size());
    return *this;
  }
  // The section that all data are in.
  ElfBuilder& data_section(const std::string& name) {
    data_name_ = name;
    return *this;
  }

  std::string build() const {
    std::string strings(1, '\0'), symbols(sizeof(Elf64_Sym), '\0');
    for (const auto& f : functions_) {
      Elf64_Sym symbol = {};
      symbol.st_name = static_cast<Elf64_Word>(strings.size());
      symbol.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
      symbol.st_shndx = 1;
      symbol.st_value = f.address;
      symbol.st_size = f.size;
      symbols.append(reinterpret_cast<const char*>(&symbol), sizeof(symbol));
      strings += f.name + '\0';
    }
    std::string names("\0.text\0.dynsym\0.dynstr\0.shstrtab\0", 33);
    names += data_name_ + '\0';
    std::string file(kTextOffset, '\0');
    file.append(text_.begin(), text_.end());
    const std::uint64_t data_offset = (file.size() + 0xfff) & ~0xfffULL;
    if (!data_.empty()) {
      file.resize(data_offset);
      file.append(data_.begin(), data_.end());
    }
    std::vector<Elf64_Shdr> headers(1);
    const auto section = [&](Elf64_Word name, Elf64_Word type, const std::string* content) {
      Elf64_Shdr h = {};
      h.sh_name = name;
      h.sh_type = type;
      if (content == nullptr) {
        h.sh_flags = SHF_ALLOC | SHF_EXECINSTR;
        h.sh_addr = kTextAddress;
        h.sh_offset = kTextOffset;
        h.sh_size = text_.size();
      } else {
        h.sh_offset = file.size();
        h.sh_size = content->size();
        file += *content;
      }
      headers.push_back(h);
    };
    section(1, SHT_PROGBITS, nullptr);
    section(7, SHT_DYNSYM, &symbols);
    headers.back().sh_link = 3;
    section(15, SHT_STRTAB, &strings);
    section(23, SHT_STRTAB, &names);

    if (!data_.empty()) {
      Elf64_Shdr h = {};
      h.sh_name = 33;
      h.sh_type = SHT_PROGBITS;
      h.sh_flags = SHF_ALLOC;
      h.sh_addr = kDataAddress;
      h.sh_offset = data_offset;
      h.sh_size = data_.size();
      headers.push_back(h);
    }

    Elf64_Ehdr header = elf_header(data_.empty() ? 1 : 2, file.size(), headers.size());
    header.e_shstrndx = 4;
    Elf64_Phdr load = {};
    load.p_type = PT_LOAD;
    load.p_flags = PF_R | PF_X;
    load.p_offset = kTextOffset;
    load.p_vaddr = kTextAddress;
    load.p_filesz = load.p_memsz = text_.size();
    Elf64_Phdr constants = load;
    constants.p_flags = PF_R;
    constants.p_offset = data_offset;
    constants.p_vaddr = kDataAddress;
    constants.p_filesz = constants.p_memsz = data_.size();
    std::memcpy(file.data(), &header, sizeof(header));
    std::memcpy(file.data() + sizeof(header), &load, sizeof(load));
    if (!data_.empty())
      std::memcpy(file.data() + sizeof(header) + sizeof(load), &constants, sizeof(constants));
    file.append(reinterpret_cast<const char*>(headers.data()), headers.size() * sizeof(Elf64_Shdr));
    return file;
  }

 private:
  struct Function {
    std::string name;
    std::uint64_t address, size;
  };
  Bytes text_, data_;
  std::string data_name_ = ".rodata";
  std::vector<Function> functions_;
};

// Joins pieces of machine code.
inline Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// `call` or `jmp` rel32 that stands at `from` and goes to `to`.
inline Bytes branch(std::uint8_t opcode, std::uint64_t from, std::uint64_t to) {
  const auto d = static_cast<std::uint32_t>(to - from - 5);
  return {opcode, static_cast<std::uint8_t>(d), static_cast<std::uint8_t>(d >> 8),
          static_cast<std::uint8_t>(d >> 16), static_cast<std::uint8_t>(d >> 24)};
}

// A number of `size` bytes, little-endian.
inline Bytes number(std::uint64_t value, std::size_t size) {
  Bytes bytes;
  for (std::size_t k = 0; k < size; ++k, value >>= 8)
    bytes.push_back(static_cast<std::uint8_t>(value));
  return bytes;
}

inline Bytes text(const std::string& content) { return {content.begin(), content.end()}; }

// mov r32, imm32 with `opcode` b8 ... bf.
inline Bytes load(std::uint8_t opcode, std::uint32_t value) {
  return Bytes{opcode} + number(value, 4);
}

// lea rdx, [rip + d], standing at `from` (an address).
inline Bytes lea_rdx(std::uint64_t from, std::uint64_t to) {
  return Bytes{0x48, 0x8d, 0x15} + number(to - from - 7, 4);
}

}  // namespace llmtap::test
