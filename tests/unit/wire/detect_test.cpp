// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/detect.h"

#include <catch2/catch.hpp>
#include <string>

namespace llmtap {
namespace {

TEST_CASE("detect: first bytes", "[unit]") {
  struct Case {
    const char* name;
    std::string bytes;
    WireFormat expected;
  };
  const Case cases[] = {
      {"request", "POST / HTTP/1.1\r\n", WireFormat::kHttp1},
      {"part of a method", "PO", WireFormat::kHttp1},
      {"response", "HTTP/1.1 200 OK\r\n", WireFormat::kHttp1},
      {"preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", WireFormat::kHttp2},
      {"part of the preface", "PR", WireFormat::kNeedMore},
      {"not the preface", "PUT / HTTP/1.1\r\n", WireFormat::kHttp1},
      {"SETTINGS", std::string("\0\0\6\4\0\0\0\0\0\0\3\0\0\0\x64", 15), WireFormat::kHttp2},
      {"part of a frame header", std::string("\0\0\6\4", 4), WireFormat::kNeedMore},
      {"frames behind a part of one",
       std::string("tail of a frame\0\0\4\0\0\0\0\0\3data\0\0\4\0\1\0\0\0\3data", 41),
       WireFormat::kLateHttp2},
      {"lower case", "post / HTTP/1.1\r\n", WireFormat::kOther},
      {"SSE", "data: {}\n\n", WireFormat::kOther},
      {"PostgreSQL", std::string("\0\0\0\x29\0\3\0\0user\0", 13), WireFormat::kOther},
      {"Redis", "*1\r\n$4\r\nPING\r\n", WireFormat::kOther},
      {"SSH", "SSH-2.0-OpenSSH_9.2\r\n", WireFormat::kOther},
      {"TLS", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03", 10), WireFormat::kOther},
      {"SMTP", "220 mail ESMTP\r\n", WireFormat::kOther},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) { CHECK(detect_wire(c.bytes) == c.expected); }
  }
}

}  // namespace
}  // namespace llmtap
