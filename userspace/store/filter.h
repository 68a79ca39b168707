// SPDX-License-Identifier: Apache-2.0
//
// The one filter language, for command line, API, monitors and sampling:
//   service:shop provider:openai,azure_openai model:gpt-* status:error duration:>2s cost:>=0.01
//   -finish:stop "exact words" word
// Space is AND, a comma between values is OR, a leading minus is NOT, '*' stands for any text.
// Bare words and quoted phrases search prompts, answers and tools.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/core/result.h"

namespace llmtap {

enum class FieldKind : std::uint8_t {
  kName,      // text out of a known set; '*' allowed
  kId,        // text, exact
  kNumber,    // 1000, 0.01
  kDuration,  // 250ms, 2s, 1m; in the column's unit of microseconds
  kStatus,    // ok, error, partial, 429, 4xx, 5xx
  kFlag,      // true, false
  kText,      // full text
};

struct FilterField {
  std::string_view name;
  FieldKind kind;
  std::string_view column;  // of the store; for documentation elsewhere
  double scale = 1;         // value as written * scale = value as stored
  std::string_view help;
};
std::span<const FilterField> filter_fields();

enum class Compare : std::uint8_t { kEqual, kLess, kLessEqual, kGreater, kGreaterEqual };

struct FilterValue {
  Compare compare = Compare::kEqual;
  std::string text;   // as written, without the operator and quotes
  double number = 0;  // stored unit, for kNumber and kDuration

  bool operator==(const FilterValue&) const = default;
};

struct FilterTerm {
  const FilterField* field = nullptr;
  bool negated = false;
  std::vector<FilterValue> values;  // any of them
};

using Filter = std::vector<FilterTerm>;  // all of them

// Errors name the column of `text`, counted from 1.
Result<Filter> parse_filter(std::string_view text);

}  // namespace llmtap
