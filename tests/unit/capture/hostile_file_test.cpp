// SPDX-License-Identifier: Apache-2.0
//
// Files that are made to keep the daemon busy: every user can have one looked at by running it.
#include <catch2/catch.hpp>
#include <chrono>

#include "tests/unit/capture/elf_builder.h"
#include "userspace/capture/code_scan.h"
#include "userspace/capture/elf.h"
#include "userspace/capture/probe_table.h"
#include "userspace/capture/site_finders.h"

using namespace llmtap;
using namespace llmtap::test;

namespace {

template <class T>
void append(std::string& file, const T& value) {
  file.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

Elf64_Shdr section(Elf64_Word type, std::uint64_t offset, std::uint64_t size, Elf64_Word link = 0) {
  Elf64_Shdr h = {};
  h.sh_type = type;
  h.sh_flags = SHF_ALLOC;
  h.sh_offset = offset;
  h.sh_size = size;
  h.sh_link = link;
  return h;
}

Elf64_Phdr segment(std::uint64_t address, std::uint64_t offset, std::uint64_t size,
                   Elf64_Word flags) {
  Elf64_Phdr h = {};
  h.p_type = PT_LOAD;
  h.p_vaddr = address;
  h.p_offset = offset;
  h.p_filesz = size;
  h.p_flags = flags;
  return h;
}

// Header, segments, `body` at kBody, sections.
constexpr std::uint64_t kBody = 0x10000;
std::string make(const std::vector<Elf64_Phdr>& segments, const std::string& body,
                 const std::vector<Elf64_Shdr>& sections) {
  std::string file;
  append(file, elf_header(segments.size(), kBody + body.size(), sections.size()));
  for (const auto& s : segments) append(file, s);
  file.resize(kBody);
  file += body;
  for (const auto& s : sections) append(file, s);
  return file;
}

ElfFile opened(const TemporaryFile& file) {
  auto elf = ElfFile::open(file.path());
  REQUIRE(elf.ok());
  return std::move(*elf);
}

}  // namespace

TEST_CASE("hostile file: tables that many headers share are read once", "[unit]") {
  constexpr std::size_t kSymbols = 1000, kHeaders = 500;
  Elf64_Sym symbol = {};
  symbol.st_name = 1;
  symbol.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
  symbol.st_shndx = 1;
  symbol.st_value = 0x1000;
  Elf64_Rela relocation = {};
  relocation.r_info = ELF64_R_INFO(0, R_X86_64_RELATIVE);
  std::string body;
  for (std::size_t i = 0; i < kSymbols; ++i) append(body, symbol);
  const std::uint64_t relocations = kBody + body.size();
  for (std::size_t i = 0; i < kSymbols; ++i) append(body, relocation);
  const std::uint64_t names = kBody + body.size();
  body += std::string("\0name\0", 6);
  std::vector<Elf64_Shdr> sections = {section(SHT_STRTAB, names, 6)};
  for (std::size_t i = 0; i < kHeaders; ++i) {
    sections.push_back(section(SHT_SYMTAB, kBody, kSymbols * sizeof(symbol)));
    sections.push_back(section(SHT_RELA, relocations, kSymbols * sizeof(relocation)));
  }
  const TemporaryFile file(make({}, body, sections));
  const ElfFile elf = opened(file);
  std::size_t looked_at = 0, visited = 0;
  elf.functions([&](std::string_view) { return ++looked_at == 0; });
  elf.relocations([&](const ElfRelocation&) { ++visited; });
  CHECK(looked_at >= kSymbols);
  CHECK(visited >= kSymbols);
  CHECK((looked_at + visited) * sizeof(symbol) <= elf.bytes().size());
}

TEST_CASE("hostile file: segments that overlap are read once or twice", "[unit]") {
  const std::string body(1 << 20, '\xe8');
  const std::vector<Elf64_Phdr> segments(500, segment(0x1000, kBody, body.size(), PF_R | PF_X));
  const TemporaryFile file(make(segments, body, {}));
  const ElfFile elf = opened(file);
  std::uint64_t sum = 0;
  for (const auto& s : elf.segments()) sum += s.size;
  CHECK(sum >= body.size());
  CHECK(sum <= 2 * elf.bytes().size());
}

TEST_CASE("hostile file: a name longer than any is none", "[unit]") {
  struct Case {
    const char* name;
    std::size_t length;
    std::size_t found;
  };
  const Case cases[] = {
      {"usual", 30, 1}, {"a C++ template", 4000, 1}, {"a whole table", 100000, 0}};
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      const TemporaryFile file(
          ElfBuilder().function(0, {0xc3}, std::string(c.length, 'x')).build());
      CHECK(opened(file).functions([](auto) { return true; }).size() == c.found);
    }
  }
}

// The search for ring's tables goes through data words by their addresses.
TEST_CASE("hostile file: data at the end of the address space", "[unit]") {
  const std::string body = std::string("rustls") + std::string(4090, '\0');
  const std::uint64_t starts[] = {~0ULL - 6, ~0ULL - 8 - 4096, 0ULL - 8192};
  for (const std::uint64_t start : starts) {
    CAPTURE(start);
    const std::uint64_t size = std::min<std::uint64_t>(body.size(), ~start);
    const TemporaryFile file(
        make({segment(start, kBody, size, PF_R), segment(start, kBody, 4, PF_R)}, body, {}));
    CHECK(find_ring(opened(file)).sites.empty());
  }
}

TEST_CASE("hostile file: a table of algorithms a thousand times", "[unit]") {
  constexpr std::size_t kTables = 20000;
  constexpr std::uint64_t kCode = 0x1000, kData = 0x10000000;
  std::string body(16, '\xc3');
  for (std::size_t i = 0; i < kTables; ++i) {
    for (int k = 0; k < 3; ++k) append(body, kCode);
    append(body, std::uint64_t{i % 2 == 0 ? 16U : 32U});
    append(body, std::uint64_t{i % 2});
  }
  const TemporaryFile file(make(
      {segment(kCode, kBody, 16, PF_R | PF_X), segment(kData, kBody + 16, body.size() - 16, PF_R)},
      body, {}));
  const auto before = std::chrono::steady_clock::now();
  const auto plan = find_ring(opened(file));
  CHECK(plan.sites.empty());
  CHECK(plan.reason == "ring: its tables are not unique");
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::milliseconds(200));
}

TEST_CASE("hostile file: calls without end of a few functions", "[unit]") {
  constexpr std::size_t kCalls = 100000;
  Bytes code;
  for (std::size_t i = 0; i < kCalls; ++i)
    code = std::move(code) + branch(0xe8, code.size(), 0x40 + i % 3);
  const TemporaryFile file(ElfBuilder().function(0, code).build());
  const CodeRange range{kTextAddress, kTextAddress + 0x100};
  const auto targets = find_call_targets(opened(file), {&range, 1});
  CHECK(std::count(targets.begin(), targets.end(), kTextAddress + 0x40) == 1);
  CHECK(targets.size() < 0x100);
}
