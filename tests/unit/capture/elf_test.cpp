// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/elf.h"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <random>

#include "tests/unit/capture/elf_builder.h"

using namespace llmtap;
using namespace llmtap::test;

namespace {

std::string sample() {
  return ElfBuilder()
      .function(0x00, {0x55, 0xc3}, "first")
      .function(0x10, {0x90, 0xc3}, "second")
      .build();
}

auto everything() {
  return [](std::string_view) { return true; };
}

// Reads all that there is to read.
std::size_t walk(const ElfFile& elf) {
  std::size_t sum = elf.build_id().size() + elf.needed().size();
  for (const auto& section : elf.sections()) sum += elf.content(section).size();
  for (const auto& symbol : elf.functions(everything()))
    sum += elf.at(symbol.address).size() + elf.offset_of(symbol.address).value_or(0);
  elf.relocations([&](const ElfRelocation& r) { sum += r.symbol.size(); });
  return sum;
}

}  // namespace

TEST_CASE("elf: symbols, addresses and offsets", "[unit]") {
  const TemporaryFile file(sample());
  auto elf = ElfFile::open(file.path());
  REQUIRE(elf.ok());
  CHECK(elf->is_x86_64());
  CHECK(elf->is_position_independent());
  const auto functions = elf->functions(everything());
  REQUIRE(functions.size() == 2);
  CHECK(functions[0].name == "first");
  CHECK(functions[1].address == kTextAddress + 0x10);
  CHECK(elf->offset_of(kTextAddress + 0x10) == kTextOffset + 0x10);
  CHECK(elf->address_of(kTextOffset + 1) == kTextAddress + 1);
  CHECK(elf->is_executable(kTextAddress));
  CHECK_FALSE(elf->is_executable(kTextAddress - 1));
  CHECK_FALSE(elf->offset_of(kTextAddress + 0x12));
  CHECK(elf->at(kTextAddress + 0x10)[0] == 0x90);
  REQUIRE(elf->section(".text") != nullptr);
  CHECK(elf->functions([](auto name) { return name == "second"; }).size() == 1);
}

TEST_CASE("elf: this machine's libssl", "[unit]") {
  auto elf = ElfFile::open("/usr/lib/x86_64-linux-gnu/libssl.so.3");
  REQUIRE(elf.ok());
  CHECK(elf->build_id().size() == 40);
  const auto needed = elf->needed();
  CHECK(std::find(needed.begin(), needed.end(), "libcrypto.so.3") != needed.end());
  std::size_t relative = 0, named = 0;
  elf->relocations([&](const ElfRelocation& r) { ++(r.symbol.empty() ? relative : named); });
  CHECK(relative > 1000);
  CHECK(named > 100);
}

TEST_CASE("elf: what is not an ELF file is refused", "[unit]") {
  CHECK_FALSE(ElfFile::open("/nonexistent").ok());
  CHECK_FALSE(ElfFile::open("/dev/zero").ok());
  CHECK_FALSE(ElfFile::open("/tmp").ok());
  const TemporaryFile script("#!/bin/sh\necho hello\n");
  CHECK_FALSE(ElfFile::open(script.path()).ok());
  const TemporaryFile empty("");
  CHECK_FALSE(ElfFile::open(empty.path()).ok());
}

TEST_CASE("elf: every cut and every damaged byte is survived", "[unit]") {
  const std::string good = sample();
  for (std::size_t size = 1; size < good.size(); size += 41) {
    const TemporaryFile file(good.substr(0, size));
    if (auto elf = ElfFile::open(file.path())) walk(*elf);
  }
  std::mt19937 random(1);
  for (int round = 0; round < 500; ++round) {
    std::string bad = good;
    for (int k = 0; k < 4; ++k) {
      // Header, program header and everything behind the code: where the numbers are.
      const std::size_t at =
          random() % 2 ? random() % 0x80 : kTextOffset + random() % (good.size() - kTextOffset);
      bad[at] = static_cast<char>(random() % 4 ? random() : 0xff);
    }
    const TemporaryFile file(bad);
    if (auto elf = ElfFile::open(file.path())) walk(*elf);
  }
  SUCCEED();
}

TEST_CASE("elf: a file that shrinks while it is read", "[unit]") {
  const TemporaryFile file(sample() + std::string(1 << 20, 'x'));
  auto elf = ElfFile::open(file.path());
  REQUIRE(elf.ok());
  REQUIRE(truncate(file.path().c_str(), 100) == 0);
  std::size_t sum = 0;
  for (const std::uint8_t byte : elf->bytes().subspan(8192)) sum += byte;
  CHECK(sum == 0);  // gone pages read as zeros
}
