// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/spool.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "tests/support/scratch_directory.h"

using namespace llmtap;
using llmtap::test::ScratchDirectory;
namespace fs = std::filesystem;

namespace {

std::unique_ptr<Spool> open(const std::string& directory, std::uint64_t bytes = 64 << 20) {
  auto spool = Spool::open(directory, bytes);
  REQUIRE(spool.ok());
  return std::move(*spool);
}

fs::path only_segment(const std::string& directory) {
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() == ".spool") return entry.path();
  }
  return {};
}

}  // namespace

TEST_CASE("spool: first in, first out, over restarts", "[unit]") {
  ScratchDirectory scratch;
  {
    auto spool = open(scratch.path());
    for (int i = 0; i < 100; ++i) spool->append("record " + std::to_string(i));
    CHECK(spool->peek(3, 1000) == std::vector<std::string>{"record 0", "record 1", "record 2"});
    CHECK(spool->peek(100, 20).size() == 2);
    CHECK(spool->peek(100, 1).size() == 1);
    CHECK(spool->peek(40, 100000).size() == 40);
    spool->pop(40);
  }
  auto spool = open(scratch.path());
  CHECK(spool->counts().records == 60);
  CHECK(spool->peek(1, 1000).front() == "record 40");
  spool->peek(100, 100000);
  spool->pop(60);
  CHECK(spool->peek(1, 1000).empty());
  spool->append("later");
  CHECK(spool->peek(1, 1000).front() == "later");
}

TEST_CASE("spool: files are private and one daemon owns them", "[unit]") {
  ScratchDirectory scratch;
  const auto directory = scratch.path("spool");
  auto spool = open(directory);
  spool->append("x");
  CHECK(fs::status(directory).permissions() == fs::perms::owner_all);
  CHECK((fs::status(only_segment(directory)).permissions() &
         (fs::perms::group_all | fs::perms::others_all)) == fs::perms::none);
  CHECK_FALSE(Spool::open(directory, 1 << 20).ok());
}

TEST_CASE("spool: the oldest go when it is full, and are counted", "[unit]") {
  ScratchDirectory scratch;
  auto spool = open(scratch.path(), Spool::kSegmentBytes * 3);
  const std::string big(100'000, 'x');
  for (int i = 0; i < 300; ++i) spool->append(std::to_string(i) + ':' + big);
  const auto counts = spool->counts();
  CHECK(counts.dropped > 0);
  CHECK(counts.records + counts.dropped == 300);
  CHECK(counts.bytes <= Spool::kSegmentBytes * 3);
  const auto first = spool->peek(1, 1).front();
  CHECK(first.substr(0, first.find(':')) == std::to_string(counts.dropped));
}

TEST_CASE("spool: a batch that was dropped while it was on its way is popped once", "[unit]") {
  ScratchDirectory scratch;
  auto spool = open(scratch.path(), Spool::kSegmentBytes * 2);
  const std::string big(1'000'000, 'x');
  for (int i = 0; i < 8; ++i) spool->append(std::to_string(i) + ':' + big);
  const auto batch = spool->peek(2, 10'000'000);
  const auto before = spool->counts().dropped;
  for (int i = 8; i < 14; ++i) spool->append(std::to_string(i) + ':' + big);
  REQUIRE(spool->counts().dropped > before);
  spool->pop(batch.size());
  const auto counts = spool->counts();
  CHECK(counts.records + counts.dropped + batch.size() == 14);
}

TEST_CASE("spool: damage costs the damaged record only", "[unit]") {
  struct Case {
    const char* name;
    void (*damage)(const fs::path&);
    std::size_t left;
  };
  const Case cases[] = {
      {"cut tail", [](const fs::path& f) { fs::resize_file(f, fs::file_size(f) - 3); }, 9},
      {"cut in a head", [](const fs::path& f) { fs::resize_file(f, fs::file_size(f) - 8 - 8 + 2); },
       9},
      {"flipped byte in the last record",
       [](const fs::path& f) {
         std::fstream file(f, std::ios::in | std::ios::out | std::ios::binary);
         file.seekp(-1, std::ios::end);
         file.put('!');
       },
       9},
      {"empty", [](const fs::path& f) { fs::resize_file(f, 0); }, 0},
      // What a file system may leave where the power went: a length, and no data yet.
      {"a tail of zeros", [](const fs::path& f) { fs::resize_file(f, fs::file_size(f) + 4096); },
       10},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      ScratchDirectory scratch;
      {
        auto spool = open(scratch.path());
        for (int i = 0; i < 10; ++i) spool->append("record " + std::to_string(i));
      }
      c.damage(only_segment(scratch.path()));
      auto spool = open(scratch.path());
      CHECK(spool->counts().records == c.left);
      spool->append("fresh");
      CHECK(spool->peek(100, 100000).size() == c.left + 1);
      CHECK(spool->peek(100, 100000).back() == "fresh");
    }
  }
}

TEST_CASE("spool: a record that no start would read again is refused, and counted", "[unit]") {
  ScratchDirectory scratch;
  {
    auto spool = open(scratch.path());
    spool->append("first");
    spool->append(std::string(Spool::kRecordBytes + 1, 'x'));
    spool->append("");
    spool->append("last");
    CHECK(spool->counts().dropped == 2);
  }
  auto spool = open(scratch.path());
  CHECK(spool->peek(10, 1000) == std::vector<std::string>{"first", "last"});
}

TEST_CASE("spool: what was dropped never becomes less", "[unit]") {
  ScratchDirectory scratch;
  auto spool = open(scratch.path(), Spool::kSegmentBytes * 2);
  const std::string big(1'000'000, 'x');
  std::uint64_t before = 0, taken = 0;
  for (int round = 0; round < 20; ++round) {
    const auto batch = spool->peek(3, 10'000'000);
    for (int i = 0; i < 7; ++i) spool->append(big);
    CHECK(spool->counts().dropped >= before);
    if (round % 2 == 0) {  // every other batch does not get through
      spool->pop(batch.size());
      taken += batch.size();
    }
    CHECK(spool->counts().dropped >= before);
    before = spool->counts().dropped;
  }
  spool->peek(1, 1);
  const auto counts = spool->counts();
  CHECK(counts.records + counts.dropped + taken == 140);
}

TEST_CASE("spool: memory only", "[unit]") {
  auto spool = open("", Spool::kSegmentBytes);
  for (int i = 0; i < 10; ++i) spool->append(std::string(1'000'000, static_cast<char>('0' + i)));
  const auto counts = spool->counts();
  CHECK(counts.dropped == 6);
  CHECK(counts.in_memory == 4);
  CHECK(spool->peek(1, 1).front()[0] == '6');
}
