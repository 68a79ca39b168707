// SPDX-License-Identifier: Apache-2.0
#include "parsers/core/json.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace llmtap;

TEST_CASE("json: absent is absent", "[unit]") {
  JsonDocument document;
  const Json root = document.parse(R"({"a": 1, "s": "x", "n": null, "list": [1, 2, 3]})");
  REQUIRE(root.is_object());
  CHECK_FALSE(root["missing"].exists());
  CHECK_FALSE(root["a"]["b"]["c"].exists());
  CHECK_FALSE(root["s"].integer());
  CHECK_FALSE(root["list"].at(3).exists());
  CHECK(root["n"].is_null());
  CHECK(root["a"].count() == 1);
  CHECK(Json{}.dump().empty());
}

TEST_CASE("json: numbers", "[unit]") {
  JsonDocument document;
  const Json root = document.parse(R"([3.0, -1, 1.5, 18446744073709551615, 1e300, true])");
  CHECK(root.at(0).integer() == 3);
  CHECK_FALSE(root.at(1).count());
  CHECK_FALSE(root.at(2).integer());
  CHECK(root.at(2).number() == 1.5);
  CHECK_FALSE(root.at(4).integer());
  CHECK(root.at(5).boolean() == true);
}

TEST_CASE("json: walking keeps wire order", "[unit]") {
  JsonDocument document;
  const Json root = document.parse(R"({"z": [1, [2], {}], "a": {"k": "v"}})");
  std::string keys;
  for (const auto& [key, value] : root.members()) keys += std::string(key) + value.dump();
  CHECK(keys == R"(z[1,[2],{}]a{"k":"v"})");
  CHECK(root["z"].size() == 3);
  for ([[maybe_unused]] auto value : Json{}.elements()) FAIL("elements of nothing");
}

TEST_CASE("json: hostile text is refused", "[unit]") {
  JsonDocument document;
  CHECK_FALSE(document.parse("").exists());
  CHECK_FALSE(document.parse("{").exists());
  CHECK_FALSE(document.parse("{} {}").exists());
  CHECK_FALSE(document.parse("\"\xff\"").exists());
  CHECK_FALSE(document.parse(std::string(100000, '[')).exists());
  CHECK(document.parse("\"ok\"").string() == "ok");
}

TEST_CASE("json: quoting", "[unit]") {
  CHECK(quote_json("a\"b\\\n\x01 \xc3\xa9") == "\"a\\\"b\\\\\\n\\u0001 \xc3\xa9\"");
}

TEST_CASE("json: several members in one pass", "[unit]") {
  JsonDocument document;
  const Json json = document.parse(R"({"id":1,"io":2,"":3,"id":4,"model":null})");
  const auto [id, model, absent, empty, io] = json.select({"id", "model", "usage", "", "io"});
  CHECK(id.integer() == 1);  // the first, like operator[]
  CHECK(model.is_null());
  CHECK_FALSE(absent.exists());
  CHECK(empty.integer() == 3);
  CHECK(io.integer() == 2);
  CHECK_FALSE(Json{}.select({"id"})[0].exists());
}

TEST_CASE("json: padded text, and a parser that is used again for larger and smaller ones", "[unit]") {
  JsonDocument document;
  for (const std::size_t size : {10u, 10'000u, 3u, 1'000'000u, 0u, 4096u}) {
    const std::string text = "[\"" + std::string(size, 'x') + "\"]";
    const std::string padded = text + std::string(JsonDocument::kPadding, '}');
    CHECK(document.parse(text).at(0).string()->size() == size);
    const std::string_view view = std::string_view(padded).substr(0, text.size());
    CHECK(document.parse_padded(view).at(0).string()->size() == size);
    CHECK_FALSE(document.parse(text + "]").exists());
  }
}

TEST_CASE("json: what is nested too deep is absent", "[unit]") {
  JsonDocument document;
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  CHECK(document.parse(nested(JsonDocument::kMaxDepth - 1)).exists());
  CHECK_FALSE(document.parse(nested(JsonDocument::kMaxDepth + 1)).exists());
  CHECK_FALSE(document.parse(nested(100'000)).exists());
  CHECK(document.parse("[1]").exists());
}
