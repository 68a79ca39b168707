// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "tests/unit/capture/elf_builder.h"
#include "userspace/capture/go_table.h"
#include "userspace/capture/site_finders.h"

using namespace llmtap;
using namespace llmtap::test;

namespace {

constexpr const char* kWriteName = "crypto/tls.(*Conn).Write";
constexpr const char* kReadName = "crypto/tls.(*Conn).readRecordOrCCS";
constexpr const char* kDecryptName = "crypto/tls.(*halfConn).decrypt";
constexpr std::uint64_t kWrite = 0x100, kRead = 0x200, kDecrypt = 0x400, kEnd = 0x500;

// A Go function table of three functions (runtime/symtab.go).
Bytes table(std::uint64_t base, const std::vector<std::string>& names) {
  Bytes name_table = {0};
  std::vector<std::uint64_t> offsets;
  for (const auto& name : names) {
    offsets.push_back(name_table.size());
    name_table = name_table + text(name + '\0');
  }
  const std::uint64_t entries[] = {kWrite, kRead, kDecrypt};
  const std::uint64_t functab = 3 * 8 + 4;
  Bytes pairs, functions;
  for (std::size_t k = 0; k < 3; ++k) {
    pairs = pairs + number(entries[k], 4) + number(functab + functions.size(), 4);
    functions = functions + number(entries[k], 4) + number(offsets[k], 4) + number(0, 32);
  }
  pairs = pairs + number(kEnd, 4);
  const std::uint64_t header = 72, behind_names = header + name_table.size();
  return Bytes{0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8} + number(3, 8) + number(0, 8) + number(base, 8) +
         number(header, 8) + number(behind_names, 8) + number(behind_names, 8) +
         number(behind_names, 8) + number(behind_names, 8) + name_table + pairs + functions;
}

// cmp rsp, [r14 + 16]; jbe; push rbp; mov rbp, rsp; ret
const Bytes kWriteCode = {0x49, 0x3b, 0x66, 0x10, 0x0f, 0x86, 0x20, 0,
                          0,    0,    0x55, 0x48, 0x89, 0xe5, 0xc3};

// push rbp; call decrypt; test rsi, rsi; jne; ret
Bytes read_code(const Bytes& behind_call = {0x48, 0x85, 0xf6, 0x75, 0x10}) {
  return Bytes{0x55} + branch(0xe8, kRead + 1, kDecrypt) + behind_call + Bytes{0xc3};
}

ElfBuilder program(const Bytes& write, const Bytes& read, std::uint64_t base = kTextAddress,
                   const std::vector<std::string>& names = {kWriteName, kReadName, kDecryptName}) {
  return ElfBuilder()
      .data_section(".gopclntab")
      .data(0, table(base, names))
      .function(kWrite, write)
      .function(kRead, read)
      .function(kDecrypt, Bytes(kEnd - kDecrypt, 0xcc));
}

ProbePlan find(const ElfBuilder& builder) {
  const TemporaryFile file(builder.build());
  auto elf = ElfFile::open(file.path());
  REQUIRE(elf.ok());
  return find_go(*elf);
}

}  // namespace

TEST_CASE("go: the push of Write and the jump behind decrypt", "[unit]") {
  const auto plan = find(program(kWriteCode, read_code()));
  CHECK(plan.reason.empty());
  CHECK(plan.library == TLS_LIB_GO);
  REQUIRE(plan.sites.size() == 2);
  CHECK(plan.sites[0].file_offset == kTextOffset + kWrite + 10);
  CHECK(TLS_COOKIE_SHAPE(plan.sites[0].cookie) == TLS_CALL_GO_WRITE);
  CHECK(plan.sites[1].file_offset == kTextOffset + kRead + 9);
  CHECK(TLS_COOKIE_SHAPE(plan.sites[1].cookie) == TLS_CALL_GO_READ);
  for (const auto& site : plan.sites) {
    CHECK_FALSE(site.wants_return);  // never in Go
    CHECK(site.site_class == SiteClass::kEmulated);
  }
}

TEST_CASE("go: unknown shapes are refused", "[unit]") {
  struct Case {
    const char* name;
    ElfBuilder builder;
  };
  const Bytes two_calls = Bytes{0x55} + branch(0xe8, kRead + 1, kDecrypt) +
                          branch(0xe8, kRead + 6, kDecrypt) +
                          Bytes{0x48, 0x85, 0xf6, 0x75, 0x10, 0xc3};
  const Case cases[] = {
      {"decrypt is called twice", program(kWriteCode, two_calls)},
      {"a result is overwritten", program(kWriteCode, read_code({0x31, 0xf6, 0x75, 0x10}))},
      {"no jump near the call", program(kWriteCode, read_code(Bytes(20, 0x90)))},
      {"an argument is overwritten", program({0x31, 0xc0, 0x55, 0xc3}, read_code())},
      {"the base is not known", program(kWriteCode, read_code(), 0)},
      {"a function is missing",
       program(kWriteCode, read_code(), kTextAddress, {kWriteName, "a", "b"})},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      const auto plan = find(c.builder);
      CHECK(plan.sites.empty());
      CHECK_FALSE(plan.reason.empty());
    }
  }
}

TEST_CASE("go: a program without TLS has nothing to say", "[unit]") {
  const auto plan = find(program(kWriteCode, read_code(), kTextAddress, {"a", "b", "c"}));
  CHECK(plan.sites.empty());
  CHECK(plan.reason.empty());
}

TEST_CASE("go: damaged tables are survived", "[unit]") {
  const std::string good = program(kWriteCode, read_code()).build();
  std::uint32_t random = 7;
  for (int round = 0; round < 500; ++round) {
    std::string bad = good;
    for (int k = 0; k < 3; ++k) {
      random = random * 1664525 + 1013904223;
      const std::size_t from = 0x2000;  // the table
      bad[from + (random >> 8) % (bad.size() - from)] = static_cast<char>(random >> 3);
    }
    const TemporaryFile file(bad);
    if (auto elf = ElfFile::open(file.path())) find_go(*elf);
  }
  SUCCEED();
}
