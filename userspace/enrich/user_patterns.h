// SPDX-License-Identifier: Apache-2.0
//
// Regular expressions of the user: what they match is masked where a destination asks for it. RE2:
// time is linear in the text whatever the expression, memory bounded.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "parsers/core/result.h"

namespace re2 {
class RE2;
}

namespace llmtap {

class UserPatterns {
 public:
  UserPatterns();
  ~UserPatterns();
  UserPatterns(UserPatterns&&) noexcept;
  UserPatterns& operator=(UserPatterns&&) noexcept;

  // Errors are RE2's words, without the expression. An expression that matches nothing at all
  // ("x*") is refused: it would mask between any two characters.
  Status add(const std::string& name, const std::string& regex);
  bool empty() const { return patterns_.empty(); }

  // Each match becomes "[REDACTED:name]". Returns the number of matches. Thread safe.
  std::size_t apply(std::string& text) const;

 private:
  struct Pattern;
  std::vector<Pattern> patterns_;
};

}  // namespace llmtap
