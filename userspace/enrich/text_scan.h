// SPDX-License-Identifier: Apache-2.0
//
// What the finders of secrets and personal data share: character classes and bounded looks ahead.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace llmtap::scan {

constexpr bool digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool upper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool alpha(char c) { return upper(c) || (c >= 'a' && c <= 'z'); }
constexpr bool alnum(char c) { return digit(c) || alpha(c); }
constexpr bool token(char c) { return alnum(c) || c == '-' || c == '_'; }
constexpr bool base64(char c) {
  return token(c) || c == '+' || c == '/' || c == '=' || c == '.' || c == '~' || c == '%';
}
constexpr char lower(char c) { return upper(c) ? static_cast<char>(c + 32) : c; }

inline bool starts(std::string_view text, std::size_t at, std::string_view word) {
  return text.substr(at, word.size()) == word;
}
// `word` is lower case.
inline bool starts_nocase(std::string_view text, std::size_t at, std::string_view word) {
  if (text.size() - at < word.size()) return false;
  return std::equal(word.begin(), word.end(), text.begin() + static_cast<std::ptrdiff_t>(at),
                    [](char a, char b) { return a == lower(b); });
}

// How many bytes from `at` on are of the class, looking at no more than `most`: whoever asks at
// every position of a hostile text must not read the rest of it each time.
template <class Class>
std::size_t run(std::string_view text, std::size_t at, Class is, std::size_t most) {
  std::size_t length = 0;
  while (length < most && at + length < text.size() && is(text[at + length])) ++length;
  return length;
}

// Likewise of what is sure to be masked: that is stepped over, so nothing is read twice.
template <class Class>
std::size_t run_on(std::string_view text, std::size_t at, Class is) {
  return run(text, at, is, text.size());
}

// Luhn's check (ISO/IEC 7812-1) of digits.
inline bool luhn(std::string_view digits) {
  int sum = 0;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    int value = digits[digits.size() - 1 - i] - '0';
    if (i % 2 == 1 && (value *= 2) > 9) value -= 9;
    sum += value;
  }
  return sum % 10 == 0;
}

}  // namespace llmtap::scan
