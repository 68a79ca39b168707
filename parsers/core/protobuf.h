// SPDX-License-Identifier: Apache-2.0
//
// Walks the fields of one protobuf message (protobuf.dev/programming-guides/encoding):
//
//   field = varint(number << 3 | wire type) value
//   wire type 0: varint   1: 8 bytes   2: varint length and that many bytes   5: 4 bytes
//
// Schema-less: what a field means is the caller's. Groups (3, 4) do not exist in proto3 and end the
// walk, as does anything malformed.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

namespace llmtap {

// Takes a varint off the front of `rest` (also of a packed field's bytes); false if there is none.
inline bool read_varint(std::string_view& rest, std::uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 64 && !rest.empty(); shift += 7) {
    const auto byte = static_cast<std::uint8_t>(rest.front());
    rest.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

class ProtobufReader {
 public:
  // `message` outlives the reader and the views it gives.
  explicit ProtobufReader(std::string_view message) : rest_(message) {}

  // Goes to the next field; false at the end. ok() says whether the end is the message's.
  bool next();
  bool ok() const { return ok_; }

  std::uint32_t number() const { return number_; }
  bool has_bytes() const { return type_ == 2; }
  std::string_view bytes() const { return bytes_; }  // of strings, bytes and messages; else empty
  std::uint64_t integer() const { return value_; }   // of varints; else the raw bits
  float as_float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(value_)); }
  double as_double() const { return std::bit_cast<double>(value_); }

 private:
  bool fixed(std::size_t size);
  bool fail() {
    ok_ = false;
    rest_ = {};
    return false;
  }

  std::string_view rest_;
  std::string_view bytes_;
  std::uint64_t value_ = 0;
  std::uint32_t number_ = 0;
  std::uint8_t type_ = 0;
  bool ok_ = true;
};

// Little-endian.
inline bool ProtobufReader::fixed(std::size_t size) {
  if (rest_.size() < size) return false;
  value_ = 0;
  for (std::size_t i = size; i-- > 0;) value_ = value_ << 8 | static_cast<std::uint8_t>(rest_[i]);
  rest_.remove_prefix(size);
  return true;
}

inline bool ProtobufReader::next() {
  if (rest_.empty()) return false;
  std::uint64_t tag = 0;
  if (!read_varint(rest_, tag) || tag >> 3 == 0 || tag >> 32 != 0) return fail();
  number_ = static_cast<std::uint32_t>(tag >> 3);
  type_ = static_cast<std::uint8_t>(tag & 7);
  bytes_ = {};
  switch (type_) {
    case 0: return read_varint(rest_, value_) || fail();
    case 1: return fixed(8) || fail();
    case 5: return fixed(4) || fail();
    case 2: break;
    default: return fail();
  }
  std::uint64_t size = 0;
  if (!read_varint(rest_, size) || size > rest_.size()) return fail();
  bytes_ = rest_.substr(0, static_cast<std::size_t>(size));
  rest_.remove_prefix(static_cast<std::size_t>(size));
  return true;
}

}  // namespace llmtap
