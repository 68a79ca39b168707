// SPDX-License-Identifier: Apache-2.0
//
// Sites by meaning, on files made here in the shape that compilers give the real ones.
#include <catch2/catch.hpp>

#include "tests/unit/capture/elf_builder.h"
#include "userspace/capture/code_scan.h"
#include "userspace/capture/error_anchor.h"
#include "userspace/capture/probe_rules.h"
#include "userspace/capture/probe_table.h"
#include "userspace/capture/site_finders.h"

using namespace llmtap;
using namespace llmtap::test;

namespace {

ProbePlan search(const ElfBuilder& builder) {
  const TemporaryFile file(builder.build());
  auto elf = ElfFile::open(file.path());
  REQUIRE(elf.ok());
  return plan_by_search(*elf, false);
}

std::uint8_t shape(const ProbeSite& site) { return TLS_COOKIE_SHAPE(site.cookie); }

struct RaisedError {
  std::uint32_t reason, line;
};

// A function that may raise these errors of the file whose name is at kDataAddress + `name`, and
// calls `callee` (offset in the text, or 0). `store`: writes through its first argument.
Bytes failing(std::uint64_t at, std::uint64_t name, const std::vector<RaisedError>& errors,
              std::uint64_t callee = 0, bool store = false) {
  Bytes code = {0x55, 0x48, 0x89, 0xe5};  // push rbp; mov rbp, rsp
  if (callee != 0) code = code + branch(0xe8, at + code.size(), callee);
  if (store) code = code + Bytes{0x48, 0x89, 0x47, 0x08};  // mov [rdi + 8], rax
  for (const auto& error : errors) {
    code = code + load(0xbf, 16) + load(0xbe, error.reason) + load(0xb9, error.line);
    code = code + lea_rdx(kTextAddress + at + code.size(), kDataAddress + name);
    code = code + branch(0xe8, at + code.size(), 0xe00);
  }
  return code + Bytes{0x5d, 0xc3};
}

constexpr std::uint64_t kName = 0x20;
constexpr std::uint64_t kRead = 0x100, kPeek = 0x200, kImpl = 0x300, kWrite = 0x400;

// Calls of everything, so that starts can be found without unwind tables.
Bytes callers() {
  Bytes code;
  for (const std::uint64_t to :
       {kRead, kPeek, kImpl, kWrite, std::uint64_t{0x500}, std::uint64_t{0xe00}})
    code = code + branch(0xe8, 0xf00 + code.size(), to);
  return code + Bytes{0xc3};
}

ElfBuilder boringssl() {
  return ElfBuilder()
      .data(0x10, Bytes{0x01, 0x02, 0x03})
      .data(kName, text(std::string("/src/boringssl/ssl/ssl_lib.cc") + '\0'))
      .function(kImpl, failing(kImpl, kName, {{226, 900}, {215, 930}}))
      .function(kRead, failing(kRead, kName, {{66, 950}}, kImpl, true))
      .function(kPeek, failing(kPeek, kName, {{66, 950}}, kImpl))
      .function(kWrite, failing(kWrite, kName, {{66, 960}, {226, 965}, {111, 980}, {215, 990}}))
      .function(0xe00, {0xc3})
      .function(0xf00, callers());
}

}  // namespace

TEST_CASE("search: BoringSSL by its errors", "[unit]") {
  const auto plan = search(boringssl());
  CHECK(plan.reason.empty());
  REQUIRE(plan.sites.size() == 2);
  CHECK(plan.library == TLS_LIB_BORINGSSL);
  CHECK(plan.sites[0].file_offset == kTextOffset + kRead);
  CHECK(plan.sites[1].file_offset == kTextOffset + kWrite);
  for (const auto& site : plan.sites) {
    CHECK(site.site_class == SiteClass::kEmulated);
    CHECK(site.kind == SiteKind::kFound);
    CHECK(shape(site) == TLS_CALL_INT);
  }
}

TEST_CASE("search: BoringSSL is refused when a function is not unique", "[unit]") {
  struct Case {
    const char* name;
    ElfBuilder builder;
    const char* reason;
  };
  const Case cases[] = {
      {"two writers",
       boringssl().function(0x500, failing(0x500, kName, {{226, 1000}, {111, 1001}, {215, 1002}})),
       "SSL_write is not unique"},
      {"no writer",
       boringssl().function(kWrite,
                            failing(kWrite, kName, {{66, 960}, {67, 965}, {68, 980}, {69, 990}})),
       "SSL_write was not found"},
      {"two readers that store",
       boringssl().function(kPeek, failing(kPeek, kName, {{66, 950}}, kImpl, true)),
       "SSL_read is not unique"},
      {"the reader's line is not between the others",
       boringssl()
           .function(kRead, failing(kRead, kName, {{66, 880}}, kImpl, true))
           .function(kPeek, failing(kPeek, kName, {{66, 880}}, kImpl)),
       "SSL_read was not found"},
      {"the reader does not call the inner one",
       boringssl()
           .function(kRead, failing(kRead, kName, {{66, 950}}, 0xe00, true))
           .function(kPeek, failing(kPeek, kName, {{66, 950}}, 0xe00)),
       "SSL_read was not found"},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      const auto plan = search(c.builder);
      CHECK(plan.sites.empty());
      CAPTURE(plan.reason);
      CHECK(plan.reason.find(c.reason) != std::string::npos);
    }
  }
}

TEST_CASE("search: SSL_read alone, where SSL_peek was dropped", "[unit]") {
  const auto plan = search(boringssl().function(kPeek, Bytes(0x80, 0xcc)));
  REQUIRE(plan.sites.size() == 2);
  CHECK(plan.sites[0].file_offset == kTextOffset + kRead);
}

TEST_CASE("search: rustls on AWS-LC", "[unit]") {
  const auto rustls = [](const char* marker) {
    return ElfBuilder()
        .data(kName, text(std::string("/aws-lc/crypto/fipsmodule/cipher/aead.c") + '\0' + marker))
        .function(0x100, failing(0x100, kName, {{103, 410}, {115, 411}, {117, 412}}))
        .function(0x200, failing(0x200, kName, {{112, 420}, {115, 421}}))
        .function(0x300, failing(0x300, kName, {{101, 430}, {103, 431}, {115, 432}}))
        .function(0x400, failing(0x400, kName, {{104, 440}, {115, 441}}))
        .function(0xe00, {0xc3})
        .function(0xf00, callers());
  };
  const auto plan = search(rustls("rustls::client::hs"));
  CHECK(plan.reason.empty());
  REQUIRE(plan.sites.size() == 4);
  CHECK(shape(plan.sites[0]) == TLS_CALL_AWSLC_SEAL);
  CHECK(plan.sites[0].file_offset == kTextOffset + 0x100);
  CHECK_FALSE(plan.sites[0].wants_return);
  CHECK(shape(plan.sites[2]) == TLS_CALL_AWSLC_OPEN);
  CHECK(plan.sites[2].file_offset == kTextOffset + 0x300);
  CHECK(plan.sites[2].wants_return);
  // The same code under BoringSSL would show every byte twice.
  CHECK(search(rustls("something else")).sites.empty());
}

TEST_CASE("search: rustls on ring, by its tables", "[unit]") {
  const auto record = [](std::uint64_t init, std::uint64_t seal, std::uint64_t open,
                         std::uint64_t length, std::uint64_t id) {
    return number(kTextAddress + init, 8) + number(kTextAddress + seal, 8) +
           number(kTextAddress + open, 8) + number(length, 8) + number(id, 8);
  };
  const auto ring = [&] {
    ElfBuilder builder;
    for (const std::uint64_t at : {0x100, 0x200, 0x300, 0x400, 0x500, 0x600, 0x700})
      builder.function(at, {0x55, 0xc3});
    builder.data(0, text("rustls"));
    return builder.data(0x100, record(0x100, 0x400, 0x500, 16, 0))
        .data(0x140, record(0x200, 0x400, 0x500, 32, 1))
        .data(0x180, record(0x300, 0x600, 0x700, 32, 2));
  };
  const auto plan = search(ring());
  CHECK(plan.reason.empty());
  REQUIRE(plan.sites.size() == 4);
  CHECK(plan.sites[0].file_offset == kTextOffset + 0x400);
  CHECK(shape(plan.sites[0]) == TLS_CALL_RING_SEAL);
  CHECK(plan.sites[1].file_offset == kTextOffset + 0x500);
  CHECK(shape(plan.sites[1]) == TLS_CALL_RING_OPEN);
  CHECK(plan.sites[2].file_offset == kTextOffset + 0x600);
  // Without its pair a record is a stray.
  CHECK(search(ring().data(0x140, record(0x200, 0x600, 0x500, 32, 1))).sites.empty());
  // Two sets: no way to know.
  const auto twice = search(ring()
                                .data(0x200, record(0x100, 0x600, 0x700, 16, 0))
                                .data(0x240, record(0x200, 0x600, 0x700, 32, 1)));
  CHECK(twice.sites.empty());
  CHECK_FALSE(twice.reason.empty());
}

TEST_CASE("search: static OpenSSL by the names of its functions", "[unit]") {
  const auto openssl = [](const std::string& version) {
    const auto naming = [](std::uint64_t at, std::uint64_t name) {
      return Bytes{0x41, 0x57} + lea_rdx(kTextAddress + at + 2, kDataAddress + name) + Bytes{0xc3};
    };
    return ElfBuilder()
        .data(0x20, text(std::string("ssl_read_internal") + '\0'))
        .data(0x40, text(std::string("ssl_write_internal") + '\0'))
        .data(0x60, text("OpenSSL " + version + " 1 Jan 2026" + '\0'))
        .function(0x100, naming(0x100, 0x20))
        .function(0x200, naming(0x200, 0x40))
        .function(0xf00, callers());
  };
  struct Case {
    const char* version;
    tls_call_shape write;
  };
  for (const auto& c : {Case{"4.0.3", TLS_CALL_SIZE_OUT5}, Case{"3.0.22", TLS_CALL_SIZE_OUT},
                        Case{"3.2.1", TLS_CALL_SIZE_OUT}, Case{"3.3.0", TLS_CALL_SIZE_OUT5},
                        Case{"3.12.1", TLS_CALL_SIZE_OUT5}}) {
    DYNAMIC_SECTION(c.version) {
      const auto plan = search(openssl(c.version));
      CHECK(plan.reason.empty());
      REQUIRE(plan.sites.size() == 2);
      CHECK(plan.sites[0].file_offset == kTextOffset + 0x100);
      CHECK(shape(plan.sites[0]) == TLS_CALL_SIZE_OUT);
      CHECK(shape(plan.sites[1]) == c.write);
    }
  }
  CHECK(search(openssl("1.1.1w")).sites.empty());
  const auto two = search(openssl("3.5.0").data(0x90, text("OpenSSL 3.0.1 x")));
  CHECK(two.sites.empty());
  CHECK_FALSE(two.reason.empty());

  // Linked without the text of its version: SSL_write shows where the count goes.
  const auto wrapper = [](const Bytes& arguments) {
    return Bytes{0x48, 0x83, 0xec, 0x18} + arguments +
           branch(0xe8, 0x300 + 4 + arguments.size(), 0x200) + Bytes{0x48, 0x83, 0xc4, 0x18, 0xc3};
  };
  const Bytes plain = {0x48, 0x63, 0xd2, 0x48, 0x89, 0xe1};              // rdx = edx; rcx = rsp
  const Bytes flags = {0x48, 0x63, 0xd2, 0x31, 0xc9, 0x49, 0x89, 0xe0};  // ecx = 0; r8 = rsp
  const Bytes other = {0x48, 0x89, 0xfe, 0x48, 0x89, 0xe1};              // rsi = rdi
  const auto unversioned = openssl("");
  CHECK(shape(search(ElfBuilder(unversioned).function(0x300, wrapper(plain))).sites.at(1)) ==
        TLS_CALL_SIZE_OUT);
  CHECK(shape(search(ElfBuilder(unversioned).function(0x300, wrapper(flags))).sites.at(1)) ==
        TLS_CALL_SIZE_OUT5);
  CHECK(search(ElfBuilder(unversioned).function(0x300, wrapper(other))).sites.empty());
}

TEST_CASE("search: strings start behind the last byte that is not printable", "[unit]") {
  const TemporaryFile file(ElfBuilder()
                               .function(0, {0xc3})
                               .data(0x10, Bytes{0x80, 0x02} + text(std::string("a/b/c.cc") + '\0'))
                               .data(0x40, text(std::string("x/c.cc") + '\0' + "c.ccx" + '\0'))
                               .build());
  auto elf = ElfFile::open(file.path());
  REQUIRE(elf.ok());
  CHECK(find_strings(*elf, "c.cc") ==
        std::vector<std::uint64_t>{kDataAddress + 0x12, kDataAddress + 0x40});
  CHECK(find_texts(*elf, "x/c.", 2) == std::vector<std::string>{"cc"});
}

TEST_CASE("search: damaged files are survived", "[unit]") {
  const std::string good = boringssl().build();
  std::uint32_t random = 1;
  for (int round = 0; round < 300; ++round) {
    std::string bad = good;
    for (int k = 0; k < 6; ++k) {
      random = random * 1664525 + 1013904223;
      bad[(random >> 8) % bad.size()] = static_cast<char>(random);
    }
    const TemporaryFile file(bad);
    if (auto elf = ElfFile::open(file.path())) plan_by_search(*elf, false);
  }
  SUCCEED();
}
