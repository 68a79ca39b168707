// SPDX-License-Identifier: Apache-2.0
//
// Fixture → exact record, however the bytes are cut.
#include <catch2/catch.hpp>

#include <algorithm>
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

// What the wire may do to an answer: end anywhere, or hold any byte.
TEST_CASE("golden: a damaged answer gives as many records as a whole one", "[golden]") {
  for (const auto& whole : fixtures()) {
    if (!whole.messages.empty()) continue;
    const auto records = fold_fixture(whole, 0)["records"].size();
    std::size_t wrong = 0;
    Fixture damaged = whole;
    const std::size_t step = std::max<std::size_t>(1, whole.response_body.size() / 200);
    for (std::size_t at = 0; at < whole.response_body.size(); at += step) {
      damaged.end = End::kTruncated;
      damaged.response_body = whole.response_body.substr(0, at);
      wrong += fold_fixture(damaged, 0)["records"].size() != records;
      damaged.end = whole.end;
      damaged.response_body = whole.response_body;
      damaged.response_body[at] = static_cast<char>(damaged.response_body[at] ^ (1 << at % 8));
      wrong += fold_fixture(damaged, 0)["records"].size() != records;
    }
    CAPTURE(whole.folder.string());
    CHECK(wrong == 0);
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
