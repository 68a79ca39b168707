// SPDX-License-Identifier: Apache-2.0
#include "userspace/enrich/personal_patterns.h"

#include <algorithm>
#include <cstdint>

#include "userspace/enrich/national_ids.h"
#include "userspace/enrich/text_scan.h"

namespace llmtap {
namespace {

using namespace scan;

// Of an issuer's range and of its length (ISO/IEC 7812; the networks' own tables): times in
// milliseconds, ids and other numbers pass Luhn's check one in ten.
bool issued(std::string_view number) {
  int first4 = 0;
  for (const char c : number.substr(0, 4)) first4 = first4 * 10 + (c - '0');
  const int first2 = first4 / 100;
  const auto size = number.size();
  if (first2 / 10 == 4) return size == 13 || size == 16 || size == 19;  // Visa
  if (first2 == 34 || first2 == 37) return size == 15;                  // Amex
  if (first2 >= 51 && first2 <= 55) return size == 16;                  // Mastercard
  if (first4 >= 2221 && first4 <= 2720) return size == 16;              // Mastercard
  if (first4 >= 2200 && first4 <= 2204) return size >= 16;              // Mir
  if (first2 == 30 || first2 == 36 || first2 == 38 || first2 == 39) return size >= 14;  // Diners
  if (first2 == 35 || first2 == 81 || first2 == 82) return size >= 16;  // JCB, RuPay
  return first2 == 50 || (first2 >= 56 && first2 <= 69);  // Maestro, Discover, UnionPay
}

// In one piece or in groups. Other numbers may follow (a date): the longest that is one counts.
Find card(std::string_view text, std::size_t at) {
  constexpr std::size_t kFewest = 13, kMost = 19, kWidest = 24;
  char digits[kMost];
  std::size_t count = 0, end = 0;
  for (std::size_t i = at; i < std::min(text.size(), at + kWidest); ++i) {
    if (text[i] == ' ' || text[i] == '-') continue;
    if (!digit(text[i]) || count == kMost) break;
    digits[count++] = text[i];
    const std::string_view number(digits, count);
    const bool group_ends = i + 1 >= text.size() || !alnum(text[i + 1]);
    if (group_ends && count >= kFewest && issued(number) && luhn(number)) end = i + 1 - at;
  }
  return end != 0 ? Find{0, end, "card"} : Find{};
}

// "+", then 8 to 15 digits, the first not 0, with the usual signs between them (E.164).
Find phone(std::string_view text, std::size_t at) {
  const char first = at + 1 < text.size() ? text[at + 1] : ' ';
  if (first != '(' && (first < '1' || first > '9')) return {};
  const auto dialled = [](char c) {
    return digit(c) || c == ' ' || c == '-' || c == '(' || c == ')' || c == '.';
  };
  const auto length = run(text, at + 1, dialled, 24);
  std::size_t digits = 0;
  std::size_t end = 0;
  for (std::size_t i = 1; i <= length && digits < 15; ++i) {
    if (digit(text[at + i])) {
      ++digits;
      end = i + 1;
    }
  }
  return digits >= 8 ? Find{0, end, "phone"} : Find{};
}

// North American: (415) 555-2671, 415-555-2671, 415.555.2671; area and exchange begin with 2..9.
Find phone_nanp(std::string_view text, std::size_t at) {
  std::size_t i = at;
  const auto part = [&](std::size_t count, bool high) {
    const auto digits = run(text, i, digit, count + 1);
    if (digits != count || (high && text[i] < '2')) return false;
    i += count;
    return true;
  };
  const bool bracket = text[i] == '(';
  if (bracket) ++i;
  if (!part(3, true)) return {};
  if (bracket && (i >= text.size() || text[i++] != ')')) return {};
  if (bracket && i < text.size() && text[i] == ' ') ++i;
  if (!bracket && (i >= text.size() || (text[i] != '-' && text[i] != '.'))) return {};
  if (!bracket) ++i;
  if (!part(3, true) || i >= text.size() || (text[i] != '-' && text[i] != '.')) return {};
  ++i;
  return part(4, false) ? Find{0, i - at, "phone"} : Find{};
}

// In one piece, or in groups of four with blanks between them.
Find iban(std::string_view text, std::size_t at) {
  if (at + 15 > text.size() || !upper(text[at + 1]) || !digit(text[at + 2]) || !digit(text[at + 3]))
    return {};
  constexpr std::size_t kMost = 34;
  char plain[kMost];
  std::size_t length = 0;
  std::size_t end = at;
  bool valid = false;
  std::size_t valid_end = 0;
  for (std::size_t i = at; i < text.size() && length < kMost; ++i) {
    if (text[i] == ' ' && length % 4 == 0) continue;
    if (!upper(text[i]) && !digit(text[i])) break;
    plain[length++] = text[i];
    end = i + 1;
    if (length < 15) continue;
    // Words that follow may look like a further group: the longest valid beginning counts.
    std::uint32_t remainder = 0;
    for (std::size_t k = 0; k < length; ++k) {
      const char c = plain[(k + 4) % length];
      const auto value = static_cast<std::uint32_t>(digit(c) ? c - '0' : c - 'A' + 10);
      remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
    }
    const bool whole = end >= text.size() || !alnum(text[end]);
    if (remainder == 1 && whole) {
      valid = true;
      valid_end = end;
    }
  }
  return valid ? Find{0, valid_end - at, "iban"} : Find{};
}

Find email(std::string_view text, std::size_t at) {
  const auto local =
      run(text, at, [](char c) { return token(c) || c == '.' || c == '+' || c == '%'; }, 65);
  if (local == 0 || local > 64 || at + local >= text.size() || text[at + local] != '@') return {};
  auto domain =
      run(text, at + local + 1, [](char c) { return alnum(c) || c == '-' || c == '.'; }, 253);
  while (domain > 0 && text[at + local + domain] == '.') --domain;
  const auto name = text.substr(at + local + 1, domain);
  const auto dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return {};
  // "lodash@4.17.21" is none: a top-level domain is letters (RFC 3696 2).
  const auto top = name.substr(dot + 1);
  const bool letters = std::all_of(top.begin(), top.end(), alpha) || top.starts_with("xn--");
  if (top.size() < 2 || !letters) return {};
  return {0, local + 1 + domain, "email"};
}

}  // namespace

Find find_personal(std::string_view text, std::size_t at) {
  const char c = text[at];
  if (!token(c) && c != '+' && c != '(') return {};
  const char before = at > 0 ? text[at - 1] : ' ';
  // An escape's letter ("\n") is no part of a word, and what follows it begins one.
  if (before == '\\') return {};
  if ((token(before) || before == '.') && (at < 2 || text[at - 2] != '\\')) return {};
  if (c == '+') return phone(text, at);
  if (digit(c) || c == '(') {
    if (const auto find = phone_nanp(text, at); find.length != 0) return find;
  }
  if (digit(c) || upper(c)) {
    if (const auto find = find_national_id(text, at); find.length != 0) return find;
  }
  if (digit(c)) {
    if (const auto find = card(text, at); find.length != 0) return find;
  }
  if (upper(c)) {
    if (const auto find = iban(text, at); find.length != 0) return find;
  }
  return token(c) ? email(text, at) : Find{};
}

}  // namespace llmtap
