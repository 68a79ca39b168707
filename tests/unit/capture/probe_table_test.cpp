// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/probe_table.h"

#include <catch2/catch.hpp>

#include "tests/unit/capture/elf_builder.h"
#include "userspace/capture/x86.h"

using namespace llmtap;
using namespace llmtap::test;

namespace {

ProbePlan plan_of(const ElfBuilder& builder) {
  const TemporaryFile file(builder.build());
  auto elf = ElfFile::open(file.path());
  REQUIRE(elf.ok());
  return plan_by_symbols(*elf);
}

ProbePlan plan_of_file(const std::string& path) {
  auto elf = ElfFile::open(path);
  REQUIRE(elf.ok());
  return plan_by_symbols(*elf);
}

std::uint8_t shape(const ProbeSite& site) { return TLS_COOKIE_SHAPE(site.cookie); }

const ProbeSite& site_for(const ProbePlan& plan, std::string_view function) {
  for (const auto& site : plan.sites)
    if (site.function.find(function) != std::string::npos) return site;
  FAIL("no site for " << function << ": " << plan.reason);
  return plan.sites.front();
}

// Snippets of compilers.
const Bytes kEndbr = {0xf3, 0x0f, 0x1e, 0xfa};
const Bytes kSub18 = {0x48, 0x83, 0xec, 0x18};
const Bytes kSub8 = {0x48, 0x83, 0xec, 0x08};
const Bytes kTestEdxJs20 = {0x85, 0xd2, 0x78, 0x20};
const Bytes kRcxIsStack = {0x48, 0x89, 0xe1};
const Bytes kR8IsStack = {0x49, 0x89, 0xe0};
const Bytes kExtendEdx = {0x48, 0x63, 0xd2};
const Bytes kClearEcx = {0x31, 0xc9};
const Bytes kR8IsRcx = {0x49, 0x89, 0xc8};
const Bytes kEnd = {0x48, 0x83, 0xc4, 0x18, 0xc3};
const Bytes kPushBody = {0x41, 0x57, 0x41, 0x56, 0xc3};
const Bytes kMovRsi = {0x48, 0x89, 0xfe};  // mov rsi, rdi

Bytes call_behind(const Bytes& head, std::uint64_t at, std::uint64_t to) {
  return head + branch(0xe8, at + head.size(), to) + kEnd;
}
Bytes jump_behind(const Bytes& head, std::uint64_t at, std::uint64_t to) {
  return head + branch(0xe9, at + head.size(), to);
}

// Both forms of read as wrappers of a function at 0x800; write as plain entries.
ElfBuilder wrappers(const Bytes& plain, const Bytes& counted, const Bytes& inner) {
  return ElfBuilder()
      .function(0x000, call_behind(plain, 0x000, 0x800), "SSL_read")
      .function(0x100, call_behind(counted, 0x100, 0x800), "SSL_read_ex")
      .function(0x200, kPushBody, "SSL_write")
      .function(0x800, inner);
}

}  // namespace

TEST_CASE("sites: this machine's libssl.so.3 is probed at the inner functions", "[unit]") {
  const auto plan = plan_of_file("/usr/lib/x86_64-linux-gnu/libssl.so.3");
  CHECK(plan.library == TLS_LIB_OPENSSL);
  CHECK(plan.reason.empty());
  REQUIRE(plan.sites.size() == 3);
  for (const char* function : {"SSL_read, SSL_read_ex", "SSL_write, SSL_write_ex"}) {
    const auto& site = site_for(plan, function);
    CHECK(site.kind == SiteKind::kInner);
    CHECK(site.site_class == SiteClass::kEmulated);
    CHECK(shape(site) == TLS_CALL_SIZE_OUT);
    CHECK(site.wants_return);
  }
  const auto& free = site_for(plan, "SSL_free");
  CHECK(shape(free) == TLS_CALL_FREE);
  CHECK_FALSE(free.wants_return);
  CHECK(free.site_class == SiteClass::kEmulated);
}

TEST_CASE("sites: node's static OpenSSL is probed at its entries", "[unit]") {
  const auto plan = plan_of_file("/usr/bin/node");
  CHECK(plan.reason.empty());
  for (const char* function :
       {"SSL_read", "SSL_read_ex", "SSL_write", "SSL_write_ex", "SSL_free"}) {
    const auto& site = site_for(plan, function);
    CHECK(site.site_class == SiteClass::kEmulated);
  }
  CHECK(shape(site_for(plan, "SSL_read")) == TLS_CALL_INT);
  CHECK(shape(site_for(plan, "SSL_write_ex")) == TLS_CALL_EX);
  for (const auto& site : plan.sites) CHECK(site.function.find("peek") == std::string::npos);
}

TEST_CASE("sites: this machine's GnuTLS", "[unit]") {
  const auto plan = plan_of_file("/usr/lib/x86_64-linux-gnu/libgnutls.so.30");
  CHECK(plan.library == TLS_LIB_GNUTLS);
  REQUIRE(plan.sites.size() == 3);
  for (const auto& site : plan.sites) CHECK(site.site_class == SiteClass::kEmulated);
  CHECK(shape(site_for(plan, "gnutls_record_send2")) == TLS_CALL_INT);
  CHECK(shape(site_for(plan, "gnutls_record_recv")) == TLS_CALL_GNUTLS_RECV);
  CHECK(shape(site_for(plan, "gnutls_deinit")) == TLS_CALL_FREE);
}

TEST_CASE("sites: a file without TLS has neither sites nor a reason", "[unit]") {
  const auto plan = plan_of_file("/bin/ls");
  CHECK(plan.sites.empty());
  CHECK(plan.reason.empty());
}

TEST_CASE("sites: wrapper shapes", "[unit]") {
  const Bytes plain = kSub18 + kTestEdxJs20 + kRcxIsStack + kExtendEdx;
  const Bytes plain5 = kSub18 + kTestEdxJs20 + kClearEcx + kR8IsStack + kExtendEdx;
  const Bytes counted5 = kSub8 + kR8IsRcx + kClearEcx;
  struct Case {
    const char* name;
    ElfBuilder builder;
    SiteKind kind;
    SiteClass site_class;
    tls_call_shape shape;
    std::uint64_t at;
  };
  const Case cases[] = {
      {"Debian", wrappers(plain, kSub8, kPushBody), SiteKind::kInner, SiteClass::kEmulated,
       TLS_CALL_SIZE_OUT, 0x800},
      {"with endbr64 in front", wrappers(kEndbr + plain, kEndbr + kSub8, kPushBody),
       SiteKind::kInner, SiteClass::kEmulated, TLS_CALL_SIZE_OUT, 0x800},
      {"OpenSSL 3.3 with flags", wrappers(plain5, counted5, kPushBody), SiteKind::kInner,
       SiteClass::kEmulated, TLS_CALL_SIZE_OUT5, 0x800},
      {"inner function is not cheaper", wrappers(plain, kSub8, kEndbr + kPushBody),
       SiteKind::kEntry, SiteClass::kStepped, TLS_CALL_INT, 0},
      {"arguments are not in place", wrappers(kMovRsi + plain, kMovRsi + kSub8, kPushBody),
       SiteKind::kEntry, SiteClass::kStepped, TLS_CALL_INT, 0},
      {"forms disagree about the shape", wrappers(plain, counted5, kPushBody), SiteKind::kEntry,
       SiteClass::kStepped, TLS_CALL_INT, 0},
      {"forms call different functions",
       wrappers(plain, kSub8, kPushBody)
           .function(0x100, call_behind(kSub8, 0x100, 0x900))
           .function(0x900, kPushBody),
       SiteKind::kEntry, SiteClass::kStepped, TLS_CALL_INT, 0},
      {"counted form jumps",
       wrappers(plain, kSub8, kPushBody).function(0x100, jump_behind(kEndbr, 0x100, 0x800)),
       SiteKind::kInner, SiteClass::kEmulated, TLS_CALL_SIZE_OUT, 0x800},
      {"entries that are cheap stay", wrappers({0x55}, {0x55}, kPushBody), SiteKind::kEntry,
       SiteClass::kEmulated, TLS_CALL_INT, 0},
      {"garbage", wrappers({0x06, 0x06}, {0x06, 0x06}, kPushBody), SiteKind::kEntry,
       SiteClass::kStepped, TLS_CALL_INT, ~0ULL},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      const auto plan = plan_of(c.builder);
      if (c.at == ~0ULL) {
        for (const auto& site : plan.sites) CHECK(site.function != "SSL_read");
        CHECK_FALSE(plan.reason.empty());
        continue;
      }
      const auto& site = site_for(plan, "SSL_read");
      CHECK(site.kind == c.kind);
      CHECK(site.site_class == c.site_class);
      CHECK(shape(site) == c.shape);
      CHECK(site.file_offset == kTextOffset + c.at);
    }
  }
}

TEST_CASE("sites: write_ex that jumps through write_ex2", "[unit]") {
  const Bytes plain5 = kSub18 + kTestEdxJs20 + kClearEcx + kR8IsStack + kExtendEdx;
  const auto plan = plan_of(
      ElfBuilder()
          .function(0x000, kPushBody, "SSL_read")
          .function(0x1000, call_behind(plain5, 0x1000, 0x4000), "SSL_write")
          .function(0x2000, jump_behind(kR8IsRcx + kClearEcx, 0x2000, 0x3000), "SSL_write_ex")
          .function(0x3000, call_behind(kSub8, 0x3000, 0x4000), "SSL_write_ex2")
          .function(0x4000, kPushBody));
  const auto& site = site_for(plan, "SSL_write");
  CHECK(site.kind == SiteKind::kInner);
  CHECK(shape(site) == TLS_CALL_SIZE_OUT5);
  CHECK(site.file_offset == kTextOffset + 0x4000);
}

TEST_CASE("sites: which instructions the kernel emulates", "[unit]") {
  struct Case {
    const char* name;
    Bytes code;
    SiteClass site_class;
  };
  const auto kEmulated = SiteClass::kEmulated;
  const auto kStepped = SiteClass::kStepped;
  const Case cases[] = {
      {"push rbp", {0x55}, kEmulated},
      {"push r15", {0x41, 0x57}, kEmulated},
      {"push with rex.w", {0x48, 0x55}, kStepped},
      {"push imm8", {0x6a, 0x01}, kStepped},
      {"push [rax]", {0xff, 0x30}, kStepped},
      {"nop", {0x90}, kEmulated},
      {"nop5", {0x0f, 0x1f, 0x44, 0x00, 0x00}, kStepped},
      {"endbr64", {0xf3, 0x0f, 0x1e, 0xfa}, kStepped},
      {"call rel32", {0xe8, 0, 0, 0, 0}, kEmulated},
      {"call [rip]", {0xff, 0x15, 0, 0, 0, 0}, kStepped},
      {"jmp rel8", {0xeb, 0}, kEmulated},
      {"jmp rel32", {0xe9, 0, 0, 0, 0}, kEmulated},
      {"jmp rax", {0xff, 0xe0}, kStepped},
      {"bnd jmp rel32", {0xf2, 0xe9, 0, 0, 0, 0}, kStepped},
      {"je rel8", {0x74, 0}, kEmulated},
      {"jne rel32", {0x0f, 0x85, 0, 0, 0, 0}, kEmulated},
      {"jrcxz", {0xe3, 0}, kStepped},
      {"sub rsp", {0x48, 0x83, 0xec, 0x08}, kStepped},
      {"ret", {0xc3}, kStepped},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      const auto instruction = decode(c.code, 0x1000);
      REQUIRE(instruction);
      CHECK(instruction->info.length == c.code.size());
      CHECK(site_class(*instruction) == c.site_class);
    }
  }
}
