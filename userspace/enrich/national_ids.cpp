// SPDX-License-Identifier: Apache-2.0
#include "userspace/enrich/national_ids.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "userspace/enrich/text_scan.h"

namespace llmtap {
namespace {

using namespace scan;

// Of a form: 9 a digit, A a capital, X either, everything else itself.
bool fits(std::string_view text, std::size_t at, std::string_view form) {
  if (text.size() - at < form.size()) return false;
  for (std::size_t i = 0; i < form.size(); ++i) {
    const char c = text[at + i];
    const char f = form[i];
    const bool good = f == '9'   ? digit(c)
                      : f == 'A' ? upper(c)
                      : f == 'X' ? digit(c) || upper(c)
                                 : c == f;
    if (!good) return false;
  }
  const auto end = at + form.size();
  return end >= text.size() || !alnum(text[end]);
}

// Digits and letters of a number, without its signs. Views stay within 24 characters.
struct Plain {
  std::array<char, 24> chars{};
  std::size_t size = 0;
  int number(std::size_t at, std::size_t count) const {
    int value = 0;
    for (std::size_t i = at; i < at + count; ++i) value = value * 10 + (chars[i] - '0');
    return value;
  }
  int operator[](std::size_t i) const { return chars[i] - '0'; }
  std::uint64_t all(std::size_t at, std::size_t count) const {
    std::uint64_t value = 0;
    for (std::size_t i = at; i < at + count; ++i)
      value = value * 10 + static_cast<std::uint64_t>(chars[i] - '0');
    return value;
  }
};
Plain plain(std::string_view text) {
  Plain out;
  for (const char c : text.substr(0, 24)) {
    if (alnum(c)) out.chars[out.size++] = c;
  }
  return out;
}

bool month_day(int month, int day) { return month >= 1 && month <= 12 && day >= 1 && day <= 31; }

bool luhn(const Plain& n) { return scan::luhn({n.chars.data(), n.size}); }

bool us_ssn(const Plain& n) {
  const int area = n.number(0, 3);
  return area != 0 && area != 666 && area < 900 && n.number(3, 2) != 0 && n.number(5, 4) != 0;
}

bool uk_nino(const Plain& n) {
  const std::string_view prefix(n.chars.data(), 2);
  if (std::string_view("DFIQUV").find(prefix[0]) != std::string_view::npos) return false;
  if (std::string_view("DFIQUVO").find(prefix[1]) != std::string_view::npos) return false;
  for (const std::string_view never : {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"}) {
    if (prefix == never) return false;
  }
  return n.chars[8] <= 'D';
}

// Sex, year, month, department (2A and 2B count as 19 and 18), commune, order; key 97 - n mod 97.
bool fr_insee(Plain n) {
  if (n.chars[0] < '1' || n.chars[0] > '8' || n.chars[0] == '5' || n.chars[0] == '6') return false;
  if (n.chars[6] == 'A' || n.chars[6] == 'B') {
    if (n.chars[5] != '2') return false;
    n.chars[5] = '1';
    n.chars[6] = n.chars[6] == 'A' ? '9' : '8';
  }
  for (std::size_t i = 0; i < 15; ++i) {
    if (!digit(n.chars[i])) return false;
  }
  const int month = n.number(3, 2);
  if (month == 0 || (month > 12 && month < 20) || (month > 42 && month < 50)) return false;
  return 97 - n.all(0, 13) % 97 == n.all(13, 2);
}

constexpr std::string_view kDniLetters = "TRWAGMYFPDXBNJZSQVHLCKE";
bool es_dni(const Plain& n) { return n.chars[8] == kDniLetters[n.all(0, 8) % 23]; }
bool es_nie(Plain n) {
  if (n.chars[0] < 'X' || n.chars[0] > 'Z') return false;
  n.chars[0] = static_cast<char>('0' + (n.chars[0] - 'X'));
  return es_dni(n);
}

// ISO 7064 mod 11,10; among the first ten digits exactly one comes twice or three times.
bool de_tax(const Plain& n) {
  if (n[0] == 0) return false;
  std::array<int, 10> times{};
  int product = 10;
  for (std::size_t i = 0; i < 10; ++i) {
    ++times[static_cast<std::size_t>(n[i])];
    int sum = (n[i] + product) % 10;
    if (sum == 0) sum = 10;
    product = sum * 2 % 11;
  }
  int repeated = 0;
  for (const int count : times) {
    if (count > 3) return false;
    repeated += count > 1 ? 1 : 0;
  }
  const int check = 11 - product;
  return repeated == 1 && (check == 10 ? 0 : check) == n[10];
}

bool it_fiscal(const Plain& n) {
  constexpr std::array<int, 36> kOdd = {1,  0, 5, 7,  9,  13, 15, 17, 19, 21, 1,  0,
                                        5,  7, 9, 13, 15, 17, 19, 21, 2,  4,  18, 20,
                                        11, 3, 6, 8,  12, 14, 16, 10, 22, 25, 24, 23};
  int sum = 0;
  for (std::size_t i = 0; i < 15; ++i) {
    const char c = n.chars[i];
    const int value = digit(c) ? c - '0' : c - 'A' + 10;
    sum += i % 2 == 0 ? kOdd[static_cast<std::size_t>(value)] : (digit(c) ? value : value - 10);
  }
  return n.chars[15] == 'A' + sum % 26;
}

bool be_national(const Plain& n) {
  if (!month_day(n.number(2, 2), n.number(4, 2))) return false;
  const auto check = n.all(9, 2);
  // Born in 2000 or later: a 2 in front.
  return 97 - n.all(0, 9) % 97 == check || 97 - (2'000'000'000 + n.all(0, 9)) % 97 == check;
}

bool pl_pesel(const Plain& n) {
  constexpr std::array<int, 10> kWeights = {1, 3, 7, 9, 1, 3, 7, 9, 1, 3};
  if (!month_day(n.number(2, 2) % 20, n.number(4, 2))) return false;
  int sum = 0;
  for (std::size_t i = 0; i < 10; ++i) sum += n[i] * kWeights[i];
  return (10 - sum % 10) % 10 == n[10];
}

bool fi_hetu(Plain n) {
  constexpr std::string_view kCheck = "0123456789ABCDEFHJKLMNPRSTUVWXY";
  if (n.chars[6] == 'A') std::copy(n.chars.begin() + 7, n.chars.end(), n.chars.begin() + 6);
  return month_day(n.number(2, 2), n.number(0, 2)) &&
         n.chars[9] == kCheck[(n.all(0, 6) * 1000 + n.all(6, 3)) % 31];
}

bool se_personal(const Plain& n) { return month_day(n.number(2, 2), n.number(4, 2)) && luhn(n); }

bool ch_ahv(const Plain& n) {
  int sum = 0;
  for (std::size_t i = 0; i < 12; ++i) sum += n[i] * (i % 2 == 0 ? 1 : 3);
  return (10 - sum % 10) % 10 == n[12];
}

bool br_cpf(const Plain& n) {
  bool same = true;
  for (std::size_t i = 1; i < 11; ++i) same &= n[i] == n[0];
  if (same) return false;
  for (const std::size_t last : {std::size_t{9}, std::size_t{10}}) {
    int sum = 0;
    for (std::size_t i = 0; i < last; ++i) sum += n[i] * static_cast<int>(last + 1 - i);
    if (sum * 10 % 11 % 10 != n[last]) return false;
  }
  return true;
}

// Verhoeff's check in the dihedral group D5.
bool in_aadhaar(const Plain& n) {
  if (n[0] < 2) return false;
  constexpr std::array<int, 10> kStep = {1, 5, 7, 6, 2, 8, 3, 0, 9, 4};
  const auto compose = [](int a, int b) {
    return a < 5 ? (b < 5 ? (a + b) % 5 : (a + b - 5) % 5 + 5)
                 : (b < 5 ? (a - b) % 5 + 5 : (a - b + 5) % 5);
  };
  int check = 0;
  for (std::size_t i = 0; i < n.size; ++i) {
    int value = n[n.size - 1 - i];
    for (std::size_t k = 0; k < i % 8; ++k) value = kStep[static_cast<std::size_t>(value)];
    check = compose(check, value);
  }
  return check == 0;
}

bool cn_resident(const Plain& n) {
  const int year = n.number(6, 4);
  if (year < 1900 || year > 2100 || !month_day(n.number(10, 2), n.number(12, 2))) return false;
  int sum = 0;
  int weight = 1;  // 2^(17-i) mod 11, from the right
  for (std::size_t i = 17; i-- > 0;) {
    weight = weight * 2 % 11;
    sum += n[i] * weight;
  }
  return n.chars[17] == std::string_view("10X98765432")[static_cast<std::size_t>(sum % 11)];
}

bool kr_rrn(const Plain& n) {
  return month_day(n.number(2, 2), n.number(4, 2)) && n[6] >= 1 && n[6] <= 8;
}

bool ca_sin(const Plain& n) { return n[0] != 0 && n[0] != 8 && luhn(n); }

struct NationalForm {
  std::string_view form;
  bool (*valid)(const Plain&);
  std::string_view kind;
};
constexpr auto kInsee = [](const Plain& n) { return fr_insee(n); };
constexpr auto kHetu = [](const Plain& n) { return fi_hetu(n); };
constexpr auto kNie = [](const Plain& n) { return es_nie(n); };
constexpr std::array kForms = {
    NationalForm{"999-99-9999", us_ssn, "us_ssn"},
    NationalForm{"AA999999A", uk_nino, "uk_nino"},
    NationalForm{"AA 99 99 99 A", uk_nino, "uk_nino"},
    NationalForm{"999999X99999999", kInsee, "fr_insee"},
    NationalForm{"9 99 99 9X 999 999 99", kInsee, "fr_insee"},
    NationalForm{"99999999A", es_dni, "es_dni"},
    NationalForm{"99999999-A", es_dni, "es_dni"},
    NationalForm{"A9999999A", kNie, "es_nie"},
    NationalForm{"A-9999999-A", kNie, "es_nie"},
    NationalForm{"99 999 999 999", de_tax, "de_tax_id"},
    NationalForm{"99.99.99-999.99", be_national, "be_national_number"},
    NationalForm{"AAAAAA99A99A999A", it_fiscal, "it_codice_fiscale"},
    NationalForm{"999999-999X", kHetu, "fi_hetu"},
    NationalForm{"999999A999X", kHetu, "fi_hetu"},
    NationalForm{"999999-9999", se_personal, "se_personnummer"},
    NationalForm{"756.9999.9999.99", ch_ahv, "ch_ahv"},
    NationalForm{"999.999.999-99", br_cpf, "br_cpf"},
    NationalForm{"9999 9999 9999", in_aadhaar, "in_aadhaar"},
    NationalForm{"99999999999999999X", cn_resident, "cn_resident_id"},
    NationalForm{"999999-9999999", kr_rrn, "kr_rrn"},
    NationalForm{"999-999-999", ca_sin, "ca_sin"},
    // Eleven digits in one piece: two checks that seldom fit by chance.
    NationalForm{"99999999999", de_tax, "de_tax_id"},
    NationalForm{"99999999999", pl_pesel, "pl_pesel"},
    NationalForm{"99999999999", be_national, "be_national_number"},
};

}  // namespace

Find find_national_id(std::string_view text, std::size_t at) {
  const bool number = digit(text[at]);
  for (const auto& form : kForms) {
    const bool wants_digit = form.form[0] != 'A';
    if (wants_digit != number || !fits(text, at, form.form)) continue;
    if (form.valid(plain(text.substr(at, form.form.size())))) {
      return {0, form.form.size(), form.kind};
    }
  }
  return {};
}

}  // namespace llmtap
