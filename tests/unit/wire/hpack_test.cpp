// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/hpack.h"

#include <catch2/catch.hpp>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/hpack_reference.h"

using namespace llmtap;
using Reference = llmtap::testing::HpackReference;

namespace {

using Fields = Reference::Fields;

std::string bytes(std::string_view hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

// "?" stands for what is unknown; the last line is "error" if there was one.
std::string decode(HpackDecoder& decoder, std::string_view block) {
  std::string out;
  const Status status = decoder.decode(block, [&](const HpackField& f) {
    out.append(f.name_known ? f.name : "?").append("=");
    out.append(f.value_known ? f.value : "?").append("\n");
  });
  return status ? out : out + "error";
}

Fields decode_fields(HpackDecoder& decoder, std::string_view block, bool& ok) {
  Fields fields;
  ok =
      decoder
          .decode(block,
                  [&](const HpackField& f) {
                    fields.emplace_back(f.name_known ? f.name : "?", f.value_known ? f.value : "?");
                  })
          .ok();
  return fields;
}

// Now and then a field is never to be indexed.
auto never(std::mt19937& random) {
  return [&random] { return random() % 16 == 0; };
}

std::string random_text(std::mt19937& random, std::size_t max) {
  std::string text(random() % (max + 1), '\0');
  const bool any_byte = random() % 4 == 0;
  for (char& c : text) {
    c = static_cast<char>(any_byte ? random() % 256
                                   : "abcdefghijklmnopqrstuvwxyz0123-_"[random() % 32]);
  }
  return text;
}

Fields random_fields(std::mt19937& random) {
  static const char* const kNames[] = {":method",      ":path",  ":status",
                                       "content-type", "cookie", "authorization",
                                       "x-request-id", "date",   "user-agent"};
  Fields fields;
  for (std::size_t n = random() % 12; n > 0; --n) {
    const std::size_t pick = random() % 12;
    std::string name = pick < 9 ? kNames[pick] : "x-" + random_text(random, 20);
    std::string value = random() % 2 == 0 ? std::to_string(random() % 8) : random_text(random, 120);
    if (random() % 64 == 0) value = random_text(random, 6000);
    fields.emplace_back(std::move(name), std::move(value));
  }
  return fields;
}

}  // namespace

TEST_CASE("hpack: blocks", "[unit]") {
  struct Case {
    const char* name;
    const char* hex;
    const char* expected;
  };
  const Case cases[] = {
      {"empty", "", ""},
      {"indexed static", "82", ":method=GET\n"},
      {"last static", "bd", "www-authenticate=\n"},
      {"literal, new name, inserted (C.2.1)",
       "400a637573746f6d2d6b65790d637573746f6d2d686561646572", "custom-key=custom-header\n"},
      {"literal, not indexed (C.2.2)", "040c2f73616d706c652f70617468", ":path=/sample/path\n"},
      {"literal, never indexed (C.2.3)", "100870617373776f726406736563726574", "password=secret\n"},
      {"Huffman (C.4.1)", "828684418cf1e3c2e5f23a6ba0ab90f4ff",
       ":method=GET\n:scheme=http\n:path=/\n:authority=www.example.com\n"},
      {"empty value", "0400", ":path=\n"},
      {"unknown entry", "be", "?=?\n"},
      {"unknown name, known value", "7e0161", "?=a\n"},
      {"size update first", "3fe11f82", ":method=GET\n"},
      {"two size updates", "203fe11f82", ":method=GET\n"},
      {"size update behind a field", "8220", ":method=GET\nerror"},
      {"index zero", "80", "error"},
      {"integer cut short", "ff", "error"},
      {"integer without end", "ffffffffffffffffffffff", "error"},
      {"string longer than the block", "400a6375", "error"},
      {"value missing", "4003616263", "error"},
      {"Huffman: padding of zeros", "0481a0", "error"},
      {"Huffman: padding of eight bits", "0482afff", "error"},
      {"Huffman: EOS inside", "0484ffffffff", "error"},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      HpackDecoder decoder;
      CHECK(decode(decoder, bytes(c.hex)) == c.expected);
    }
  }
}

TEST_CASE("hpack: Huffman decodes every byte", "[unit]") {
  Reference reference;
  std::mt19937 random(7);
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  HpackDecoder decoder;
  bool ok = false;
  for (int i = 0; i < 256; ++i) {
    // Many copies of a cheap symbol make the encoder choose Huffman for the dear one as well.
    const Fields fields = {{"x", std::string(60, 'a') + static_cast<char>(i) + "b"}};
    CHECK(decode_fields(decoder, reference.encode(fields, never(random)), ok) == fields);
    CHECK(ok);
  }
}

TEST_CASE("hpack: same fields as libnghttp2", "[unit]") {
  for (unsigned seed = 0; seed < 60; ++seed) {
    std::mt19937 random(seed);
    Reference reference;
    HpackDecoder decoder;
    std::size_t wrong = 0;
    for (int block = 0; block < 60; ++block) {
      if (random() % 8 == 0) reference.resize(random() % 2 == 0 ? random() % 300 : random() % 4097);
      const Fields fields = random_fields(random);
      const std::string encoded = reference.encode(fields, never(random));
      bool ok = false;
      const Fields decoded = decode_fields(decoder, encoded, ok);
      const auto expected = reference.decode(encoded);
      if (!ok || !expected || decoded != *expected) ++wrong;
    }
    CAPTURE(seed);
    CHECK(wrong == 0);
  }
}

TEST_CASE("hpack: joined late it is never wrong, and re-converges", "[unit]") {
  for (unsigned seed = 0; seed < 60; ++seed) {
    std::mt19937 random(seed);
    Reference reference(seed % 2 == 0 ? 4096 : 16384);
    if (seed % 2 != 0) reference.resize(16384);
    for (int block = 0; block < 20; ++block) reference.encode(random_fields(random), never(random));
    HpackDecoder decoder;
    decoder.forget();
    std::size_t wrong = 0;
    std::size_t unknown_late = 0;
    for (int block = 0; block < 400; ++block) {
      if (random() % 16 == 0) reference.resize(random() % 4097);
      const Fields fields = random_fields(random);
      bool ok = false;
      const Fields decoded = decode_fields(decoder, reference.encode(fields, never(random)), ok);
      if (!ok || decoded.size() != fields.size()) {
        ++wrong;
        continue;
      }
      for (std::size_t i = 0; i < fields.size(); ++i) {
        const bool name_wrong = decoded[i].first != "?" && decoded[i].first != fields[i].first;
        const bool value_wrong = decoded[i].second != "?" && decoded[i].second != fields[i].second;
        if (name_wrong || value_wrong) ++wrong;
        if (block >= 300 && decoded[i] != fields[i]) ++unknown_late;
      }
    }
    CAPTURE(seed);
    CHECK(wrong == 0);
    CHECK(unknown_late == 0);
  }
}

TEST_CASE("hpack: an unknown name is inserted with its value", "[unit]") {
  HpackDecoder decoder;
  decoder.forget();
  CHECK(decode(decoder, bytes("7f000161")) == "?=a\n");  // name from index 63
  CHECK(decode(decoder, bytes("be")) == "?=a\n");
  CHECK(decode(decoder, bytes("4001620163bfbe")) == "b=c\n?=a\nb=c\n");
}

TEST_CASE("hpack: corrupted blocks do no harm", "[unit]") {
  std::mt19937 random(11);
  Reference reference;
  HpackDecoder decoder;
  std::size_t errors = 0;
  for (int block = 0; block < 20000; ++block) {
    std::string encoded = reference.encode(random_fields(random), never(random));
    for (std::size_t n = random() % 4; n > 0 && !encoded.empty(); --n) {
      encoded[random() % encoded.size()] = static_cast<char>(random());
    }
    if (random() % 4 == 0) encoded.resize(encoded.size() * (random() % 100) / 100);
    bool ok = false;
    decode_fields(decoder, encoded, ok);
    if (!ok) {
      ++errors;
      decoder.forget();
    }
    if (decoder.memory() > 4 * HpackDecoder::kMaxTable) FAIL("table is not bounded");
  }
  CHECK(errors > 100);
}

TEST_CASE("hpack: the table never grows over its limit", "[unit]") {
  HpackDecoder decoder;
  CHECK(decode(decoder, bytes("3fffffff7f")).empty());  // the peer announces 256 MiB
  for (int i = 0; i < 10000; ++i) {
    const std::string value = std::to_string(i);
    std::string block = bytes("400161");
    block.push_back(static_cast<char>(value.size()));
    decode(decoder, block + value);
  }
  CHECK(decoder.entries() <= HpackDecoder::kMaxTable / 34);
  CHECK(decoder.entries() > 1500);
  CHECK(decode(decoder, bytes("be")) == "a=9999\n");
  CHECK(decode(decoder, bytes("20")).empty());
  CHECK(decoder.entries() == 0);
}
