// SPDX-License-Identifier: Apache-2.0
//
// Writes protobuf messages and gRPC's frame around them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/support/encode.h"

namespace llmtap::testing {

struct ProtobufWriter {
  std::string out;

  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
    out += static_cast<char>(value);
  }
  ProtobufWriter& put(std::uint32_t number, std::string_view bytes) {
    varint(number << 3 | 2);
    varint(bytes.size());
    out.append(bytes);
    return *this;
  }
  ProtobufWriter& put(std::uint32_t number, const ProtobufWriter& message) {
    return put(number, message.out);
  }
  ProtobufWriter& integer(std::uint32_t number, std::uint64_t value) {
    varint(number << 3);
    varint(value);
    return *this;
  }
  ProtobufWriter& real(std::uint32_t number, float value) {
    varint(number << 3 | 5);
    return raw(&value, 4);
  }
  ProtobufWriter& number(std::uint32_t number, double value) {
    varint(number << 3 | 1);
    return raw(&value, 8);
  }
  ProtobufWriter& raw(const void* bytes, std::size_t size) {  // little-endian hosts
    out.append(static_cast<const char*>(bytes), size);
    return *this;
  }
};

// A message of gRPC.
inline std::string framed(const ProtobufWriter& message, bool packed = false) {
  const std::string body = packed ? encode(message.out, Coding::kGzip) : message.out;
  std::string out(1, packed ? '\1' : '\0');
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(body.size() >> shift);
  return out + body;
}

}  // namespace llmtap::testing
