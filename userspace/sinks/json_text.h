// SPDX-License-Identifier: Apache-2.0
//
// JSON texts inside a record (arguments and schemas of tools, parameters, raw blocks, error
// bodies), read for whoever writes JSON. Pure. Their content is hostile: what a model says in the
// arguments of a tool is a text of its own, which no limit of the parsers has seen, and
// nlohmann::json recurses when it writes. So depth is bounded here, as the parsers bound bodies.
#pragma once

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "parsers/core/json.h"

namespace llmtap {

// Containers inside each other; 0: a scalar. What is no JSON has some depth or other.
inline std::size_t json_depth(std::string_view text) {
  std::size_t depth = 0;
  std::size_t most = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      most = std::max(most, ++depth);
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return most;
}

// Discarded (is_discarded()) where `text` is no JSON or nests deeper than JsonDocument::kMaxDepth.
// `Value`: nlohmann::json or nlohmann::ordered_json.
template <class Value>
Value parse_json_text(const std::string& text) {
  if (json_depth(text) > JsonDocument::kMaxDepth) return Value(Value::value_t::discarded);
  return Value::parse(text, nullptr, /*allow_exceptions=*/false);
}

// What is no JSON stays text.
template <class Value>
Value json_or_text(const std::string& text) {
  auto value = parse_json_text<Value>(text);
  return value.is_discarded() ? Value(text) : value;
}

}  // namespace llmtap
