// SPDX-License-Identifier: Apache-2.0
#include "parsers/providers/protobuf_json.h"

#include <array>
#include <charconv>

#include "parsers/core/json.h"
#include "parsers/core/protobuf.h"

namespace llmtap {
namespace {

using Kind = ProtobufField::Kind;

constexpr int kMaxDepth = 64;

// The shortest text that gives the same number: 0.7f is 0.7.
template <class Number>
std::string number_text(Number value) {
  std::array<char, 32> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  const std::string text(digits.data(), end);
  return text.find_first_not_of("0123456789+-.e") == std::string::npos ? text : "null";  // inf, nan
}

// google.protobuf.Struct (`list` false), or ListValue: their fields hold Values.
std::string struct_json(std::string_view message, bool list, int depth);

std::string value_json(std::string_view message, int depth) {
  std::string out = "null";
  for (ProtobufReader field(message); field.next();) {
    switch (field.number()) {
      case 2:
        out = number_text(field.as_double());
        break;
      case 3:
        out = quote_json(field.bytes());
        break;
      case 4:
        out = field.integer() != 0 ? "true" : "false";
        break;
      case 5:
        out = struct_json(field.bytes(), false, depth + 1);
        break;
      case 6:
        out = struct_json(field.bytes(), true, depth + 1);
        break;
      default:
        break;
    }
  }
  return out;
}

std::string struct_json(std::string_view message, bool list, int depth) {
  std::string out(1, list ? '[' : '{');
  for (ProtobufReader field(message); depth < kMaxDepth && field.next();) {
    if (field.number() != 1) continue;
    if (out.size() > 1) out += ',';
    if (list) {
      out += value_json(field.bytes(), depth);
      continue;
    }
    std::string_view key, value;
    for (ProtobufReader entry(field.bytes()); entry.next();) {
      if (entry.number() == 1) key = entry.bytes();
      if (entry.number() == 2) value = entry.bytes();
    }
    out += quote_json(key) + ":" + value_json(value, depth);
  }
  out += list ? ']' : '}';
  return out;
}

std::string integer_json(std::uint64_t value, const ProtobufField& known) {
  if (known.kind == Kind::kBool) return value != 0 ? "true" : "false";
  if (known.kind == Kind::kEnum && value < known.words.size()) {
    return quote_json(known.words[static_cast<std::size_t>(value)]);
  }
  return std::to_string(static_cast<std::int64_t>(value));
}

std::string message_json(std::string_view message, const ProtobufSchema& schema, int depth);

// The wire type may be that of the table.
bool fits(const ProtobufReader& field, const ProtobufField& known) {
  if (field.number() != known.number) return false;
  switch (known.kind) {
    case Kind::kText:
    case Kind::kBytes:
    case Kind::kStruct:
    case Kind::kMessage:
      return field.has_bytes();
    case Kind::kFloat:
      return !field.has_bytes();
    case Kind::kInteger:
    case Kind::kBool:
    case Kind::kEnum:
      return !field.has_bytes() || known.repeated;
  }
  return false;
}

std::string field_json(const ProtobufReader& field, const ProtobufField& known, int depth) {
  switch (known.kind) {
    case Kind::kText:
      return quote_json(field.bytes());
    case Kind::kBytes:
      return '"' + std::string(field.bytes().size() * 4 / 3, 'A') + '"';
    case Kind::kFloat:
      return number_text(field.as_float());
    case Kind::kStruct:
      return struct_json(field.bytes(), false, depth + 1);
    case Kind::kMessage:
      return message_json(field.bytes(), *known.message, depth + 1);
    case Kind::kInteger:
    case Kind::kBool:
    case Kind::kEnum:
      break;
  }
  if (!field.has_bytes()) return integer_json(field.integer(), known);
  std::string out;
  std::uint64_t value = 0;
  for (std::string_view packed = field.bytes(); read_varint(packed, value);) {
    if (!out.empty()) out += ',';
    out += integer_json(value, known);
  }
  return out;
}

std::string message_json(std::string_view message, const ProtobufSchema& schema, int depth) {
  std::string out = "{";
  if (depth >= kMaxDepth) return "{}";
  for (const ProtobufField& known : schema.fields) {
    std::string value;
    for (ProtobufReader field(message); field.next();) {
      if (!fits(field, known)) continue;
      const std::string one = field_json(field, known, depth);
      if (!known.repeated) value.clear();
      if (!value.empty() && !one.empty()) value += ',';
      value += one;
    }
    if (value.empty()) continue;
    if (out.size() > 1) out += ',';
    out += '"' + std::string(known.name) + "\":" + (known.repeated ? "[" + value + "]" : value);
  }
  return out + "}";
}

}  // namespace

std::string message_json(std::string_view message, const ProtobufSchema& schema) {
  return message_json(message, schema, 0);
}

}  // namespace llmtap
