// SPDX-License-Identifier: Apache-2.0
//
// Fixture → exact record, however the bytes are cut.
#include <catch2/catch.hpp>

#include <cstdlib>
#include <fstream>
#include <set>

#include "parsers/providers/registry.h"
#include "tests/golden/fixture.h"

namespace llmtap::testing {
namespace {

const std::vector<Fixture>& fixtures() {
  static const std::vector<Fixture> all = load_fixtures(LLMTAP_FIXTURES);
  return all;
}

nlohmann::ordered_json expected_of(const Fixture& fixture) {
  std::ifstream file(fixture.folder / "expected.json");
  return nlohmann::ordered_json::parse(file, nullptr, false);
}

TEST_CASE("golden: every fixture gives its records", "[golden]") {
  REQUIRE(!fixtures().empty());
  const bool update = std::getenv("LLMTAP_UPDATE_FIXTURES") != nullptr;
  for (const auto& fixture : fixtures()) {
    DYNAMIC_SECTION(fixture.folder.parent_path().filename().string() + "/" +
                    fixture.folder.filename().string()) {
      const auto got = fold_fixture(fixture, 0);
      if (update) std::ofstream(fixture.folder / "expected.json") << got.dump(2) << '\n';
      CHECK(got.dump(2) == expected_of(fixture).dump(2));
    }
  }
}

TEST_CASE("golden: the same records at every chunk size", "[golden]") {
  for (const auto& fixture : fixtures()) {
    if (!fixture.messages.empty()) continue;
    const auto whole = fold_fixture(fixture, 0);
    std::size_t differs = 0;
    for (std::size_t size = 1; size <= 64 && differs == 0; ++size) {
      if (fold_fixture(fixture, size) != whole) differs = size;
    }
    for (std::size_t size = 128; size <= 4096 && differs == 0; size *= 2) {
      if (fold_fixture(fixture, size) != whole) differs = size;
    }
    CAPTURE(fixture.folder.string());
    CHECK(differs == 0);
  }
}

TEST_CASE("golden: every dialect has a fixture", "[golden]") {
  std::set<std::string> folders;
  for (const auto& fixture : fixtures()) {
    folders.insert(fixture.folder.parent_path().filename().string());
  }
  for (const Provider* provider : providers()) {
    CAPTURE(provider->dialect);
    CHECK(folders.count(std::string(provider->dialect)) == 1);
  }
}

}  // namespace
}  // namespace llmtap::testing
