// SPDX-License-Identifier: Apache-2.0
#include "userspace/enrich/secret_patterns.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "userspace/enrich/field_forms.h"
#include "userspace/enrich/key_forms.h"
#include "userspace/enrich/text_scan.h"

namespace llmtap {
namespace {

using namespace scan;

constexpr std::size_t kLongestKey = 512;
constexpr std::size_t kLongestToken = 16384;

bool in_tail(KeyTail tail, char c) {
  if (tail == KeyTail::kToken) return token(c);
  return tail == KeyTail::kDotted ? token(c) || c == '.' : base64(c) && c != '%';
}

// Which forms begin with a byte: [begin, end) of a table ordered by first byte.
struct Range {
  std::uint8_t begin = 0, end = 0;
};
template <class Table, class First>
constexpr std::array<Range, 256> by_first_byte(const Table& table, First first) {
  std::array<Range, 256> ranges{};
  for (std::size_t i = 0; i < std::size(table); ++i) {
    auto& range = ranges[static_cast<unsigned char>(first(table[i]))];
    if (range.end == 0) range.begin = static_cast<std::uint8_t>(i);
    // Not next to the others of its byte: the table is out of order.
    if (range.end != 0 && range.end != i) throw "order";
    range.end = static_cast<std::uint8_t>(i + 1);
  }
  return ranges;
}
// A '?' of the prefix is any small letter.
bool has_prefix(std::string_view text, std::size_t at, std::string_view prefix) {
  if (text.size() - at < prefix.size()) return false;
  return std::equal(prefix.begin(), prefix.end(), text.begin() + static_cast<std::ptrdiff_t>(at),
                    [](char p, char c) { return p == '?' ? c >= 'a' && c <= 'z' : p == c; });
}

constexpr auto kKeyRanges =
    by_first_byte(kKeyForms, [](const KeyForm& form) { return form.prefix[0]; });

Find vendor_key(std::string_view text, std::size_t at) {
  const Range range = kKeyRanges[static_cast<unsigned char>(text[at])];
  for (std::size_t i = range.begin; i < range.end; ++i) {
    const auto& form = kKeyForms[i];
    if (!has_prefix(text, at, form.prefix)) continue;
    const auto tail = at + form.prefix.size();
    const auto is = [&](char c) { return in_tail(form.tail, c); };
    const auto rest = run(text, tail, is, kLongestKey);
    // A word such as "sk-learn-based-classifier" has no digit.
    const auto key = text.substr(tail, rest);
    if (form.prefix.size() + rest >= form.least && std::any_of(key.begin(), key.end(), digit)) {
      return {0, form.prefix.size() + run_on(text, tail, is), form.kind};
    }
  }
  return {};
}

Find aws_key_id(std::string_view text, std::size_t at) {
  if (!starts(text, at, "AKIA") && !starts(text, at, "ASIA")) return {};
  const auto length = run(text, at, [](char c) { return upper(c) || digit(c); }, 21);
  return length == 20 ? Find{0, length, "aws_key_id"} : Find{};
}

// header.payload.signature, header and payload being base64url of JSON objects.
Find jwt(std::string_view text, std::size_t at) {
  if (!starts(text, at, "eyJ")) return {};
  const auto header = run(text, at, token, kLongestKey);
  if (header < 10 || !starts(text, at + header, ".eyJ")) return {};
  auto length = header + 1 + run_on(text, at + header + 1, token);
  if (at + length < text.size() && text[at + length] == '.') {
    length += 1 + run_on(text, at + length + 1, token);
  }
  return {0, length, "jwt"};
}

Find pem(std::string_view text, std::size_t at) {
  constexpr std::string_view kBegin = "-----BEGIN ";
  constexpr std::string_view kEnd = "-----END ";
  constexpr std::size_t kLongest = 16384;
  if (!starts(text, at, kBegin)) return {};
  const auto label = text.substr(at, 64);
  if (label.find("PRIVATE KEY") == std::string_view::npos) return {};
  const auto block = text.substr(at, kLongest);
  const auto end = block.find(kEnd, kBegin.size());
  // A block that was cut is masked to the end of what there is of it.
  if (end == std::string_view::npos)
    return {0, run(text, at, [](char c) { return c != '"'; }, kLongest), "private_key"};
  const auto tail = block.find("-----", end + kEnd.size());
  const auto length = tail == std::string_view::npos ? block.size() : tail + 5;
  return {0, length, "private_key"};
}

// scheme://user:password@host, scheme://token@host (RFC 3986 3.2.1).
Find user_info(std::string_view text, std::size_t at) {
  if (!starts(text, at, "://")) return {};
  const auto in_info = [](char c) {
    return alnum(c) || std::string_view("-._~%!$&()*+,;=:").find(c) != std::string_view::npos;
  };
  const auto length = run(text, at + 3, in_info, kLongestKey);
  const auto end = at + 3 + length;
  if (length == 0 || end >= text.size() || text[end] != '@') return {};
  return {3, length, "url_credentials"};
}

constexpr auto kFieldRanges =
    by_first_byte(kFields, [](const FieldForm& form) { return form.name[0]; });

// base64("user:password"): decodes to something with a colon, all printable.
bool is_basic(std::string_view text) {
  std::uint32_t bits = 0;
  int held = 0;
  bool colon = false;
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (const char c : text) {
    if (c == '=') break;
    const auto value = kAlphabet.find(c);
    if (value == std::string_view::npos) return false;
    bits = (bits << 6 | static_cast<std::uint32_t>(value)) & 0xffffff;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    const auto byte = static_cast<char>(bits >> held & 0xff);
    if (static_cast<unsigned char>(byte) < 0x20) return false;
    colon |= byte == ':';
  }
  return colon;
}

bool in_word(char c) {
  return c != ' ' && c != '\t' && c != '"' && c != '\'' && c != '\\' && c != '\n' && c != '\r' &&
         c != '&' && c != ',' && c != '<';
}
bool in_line(char c) { return c != '"' && c != '\'' && c != '\\' && c != '\n' && c != '\r'; }

// Up to the quote that closes the one before `at`, which may be escaped (JSON in JSON); 0 if there
// is none, or nothing closes it on this line.
std::size_t quoted(std::string_view text, std::size_t at) {
  const char quote = text[at - 1];
  if (quote != '"' && quote != '\'') return 0;
  const bool escaped = at >= 2 && text[at - 2] == '\\';
  for (std::size_t i = at; i < std::min(text.size(), at + kLongestKey); ++i) {
    if (text[i] == quote) return i - at;
    if (text[i] == '\n' || text[i] == '\r') return 0;
    if (text[i] != '\\') continue;
    if (escaped && i + 1 < text.size() && text[i + 1] == quote) return i - at;
    ++i;
  }
  return 0;
}

// Length of the value at `at` (there is something before it), 0 if it is no secret.
std::size_t secret_value(const FieldForm& form, std::string_view text, std::size_t at) {
  std::size_t length = 0;
  switch (form.value) {
    case FieldValue::kLine:
      length = run(text, at, in_line, kLongestToken);
      if (text.substr(at, length).find('=') == std::string_view::npos) return 0;
      return run_on(text, at, in_line);
    case FieldValue::kWord:
      length = quoted(text, at);
      return length != 0 ? length : run(text, at, in_word, kLongestKey);
    case FieldValue::kBasic:
      length = run(text, at, base64, kLongestKey);
      return is_basic(text.substr(at, length)) ? length : 0;
    case FieldValue::kToken:
    case FieldValue::kBearer:
      break;
  }
  length = run(text, at, base64, kLongestToken);
  const auto secret = text.substr(at, length);
  if (length < form.least || std::all_of(secret.begin(), secret.end(), alpha)) return 0;
  return run_on(text, at, base64);
}

// "Authorization: Token abc": the scheme's name and a blank. Those that have a form of their own
// are not stepped over.
std::size_t scheme(std::string_view text, std::size_t at) {
  constexpr std::size_t kLongestScheme = 16;
  const auto length = run(text, at, alpha, kLongestScheme);
  if (length == 0 || at + length >= text.size() || text[at + length] != ' ') return 0;
  if (starts_nocase(text, at, "bearer") || starts_nocase(text, at, "basic")) return 0;
  return length + 1;
}

Find field(std::string_view text, std::size_t at) {
  const Range range = kFieldRanges[static_cast<unsigned char>(lower(text[at]))];
  for (std::size_t i = range.begin; i < range.end; ++i) {
    const auto& form = kFields[i];
    if (!starts_nocase(text, at, form.name)) continue;
    std::size_t value = at + form.name.size();
    constexpr std::size_t kWidestGap = 8;
    const auto between = [](char c) {
      return c == ' ' || c == '"' || c == '\'' || c == '\\' || c == ':' || c == '=';
    };
    const auto gap = run(text, value, between, kWidestGap + 1);
    if (gap == 0 || gap > kWidestGap) continue;
    const auto said = text.substr(value, gap);
    const bool blank_is_enough = form.value == FieldValue::kBearer ||
                                 form.value == FieldValue::kBasic || form.name.starts_with("aws4");
    if (!blank_is_enough && said.find_first_of(":=") == std::string_view::npos) continue;
    value += gap;
    if (form.name == "authorization") value += scheme(text, value);
    if (starts(text, value, "[REDACTED")) continue;
    const auto length = secret_value(form, text, value);
    if (length < form.least) continue;
    const auto* kind = form.value == FieldValue::kBearer ? "bearer_token"
                       : form.name == "cookie"           ? "cookie"
                                                         : "credential";
    return {value - at, length, kind};
  }
  return {};
}

// Where a key may begin: not in the middle of a word, but right after an escape ("\n", "\u0020",
// "%20"), whose letters are no word.
bool may_begin(std::string_view text, std::size_t at) {
  if (at == 0 || !alnum(text[at - 1])) return true;
  if (at >= 2 && text[at - 2] == '\\') return true;
  if (at >= 3 && text[at - 3] == '%') return true;
  return at >= 6 && text[at - 6] == '\\' && text[at - 5] == 'u';
}

// First bytes of everything above, so that most positions cost one table look-up.
constexpr std::array<bool, 256> first_bytes() {
  std::array<bool, 256> table{};
  for (std::size_t c = 0; c < 256; ++c) {
    table[c] = kKeyRanges[c].end != 0 || kFieldRanges[c].end != 0;
    if (c >= 'A' && c <= 'Z') table[c] = table[c] || kFieldRanges[c + 32].end != 0;
  }
  for (const char c : {'A', 'e', '-', ':'}) table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr auto kFirst = first_bytes();

}  // namespace

Find find_secret(std::string_view text, std::size_t at) {
  if (!kFirst[static_cast<unsigned char>(text[at])]) return {};
  if (text[at] == ':') return user_info(text, at);
  // Names of fields may follow a prefix ("OPENAI_API_KEY="); keys stand on their own.
  if (const auto find = field(text, at); find.length != 0) return find;
  if (!may_begin(text, at)) return {};
  if (const auto find = vendor_key(text, at); find.length != 0) return find;
  if (const auto find = aws_key_id(text, at); find.length != 0) return find;
  if (const auto find = jwt(text, at); find.length != 0) return find;
  return pem(text, at);
}

}  // namespace llmtap
