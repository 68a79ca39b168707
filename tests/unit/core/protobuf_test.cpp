// SPDX-License-Identifier: Apache-2.0
#include "parsers/core/protobuf.h"

#include <catch2/catch.hpp>
#include <string>

using namespace llmtap;

namespace {

// "number:integer" or "number=bytes" per field; "!" at the end if the message is malformed.
std::string walk(std::string_view message) {
  std::string out;
  ProtobufReader field(message);
  while (field.next()) {
    out += std::to_string(field.number());
    out += field.has_bytes() ? "=" + std::string(field.bytes()) : ":" + std::to_string(field.integer());
    out += ' ';
  }
  return field.ok() ? out : out + "!";
}

}  // namespace

TEST_CASE("protobuf: fields", "[unit]") {
  struct Case {
    const char* name;
    std::string message;
    const char* expected;
  };
  const Case cases[] = {
      {"empty", "", ""},
      {"varint", "\x08\x96\x01", "1:150 "},
      {"string", "\x12\x07testing", "2=testing "},
      {"unknown fields in between", std::string("\x08\x01\x9a\x06\x01x\x12\x00", 8), "1:1 99=x 2= "},
      {"fixed", std::string("\x0d\x01\0\0\0\x11\x02\0\0\0\0\0\0\0", 14), "1:1 2:2 "},
      {"varint of ten bytes", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
       "1:18446744073709551615 "},
      {"varint without end", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "!"},
      {"cut varint", "\x08\x96", "!"},
      {"length beyond the message", "\x12\x08short", "!"},
      {"length over 64 bits", "\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x", "!"},
      {"cut fixed", std::string("\x0d\x01\0\0", 4), "!"},
      {"field zero", std::string("\x00\x01", 2), "!"},
      {"group", "\x0b\x0c", "!"},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) { CHECK(walk(c.message) == c.expected); }
  }
}

TEST_CASE("protobuf: floating point", "[unit]") {
  ProtobufReader field(std::string_view("\x0d\0\0\0\x3f\x11\0\0\0\0\0\0\xe0\x3f", 14));
  REQUIRE(field.next());
  CHECK(field.as_float() == 0.5f);
  REQUIRE(field.next());
  CHECK(field.as_double() == 0.5);
}
