// SPDX-License-Identifier: Apache-2.0
#include "userspace/enrich/secret_patterns.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

namespace llmtap {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }
bool upper(char c) { return c >= 'A' && c <= 'Z'; }
bool alnum(char c) { return digit(c) || upper(c) || (c >= 'a' && c <= 'z'); }
bool token(char c) { return alnum(c) || c == '-' || c == '_'; }
bool base64(char c) { return token(c) || c == '+' || c == '/' || c == '=' || c == '.' || c == '~'; }
char lower(char c) { return upper(c) ? static_cast<char>(c + 32) : c; }

bool starts(std::string_view text, std::size_t at, std::string_view word) {
  return text.substr(at, word.size()) == word;
}
bool starts_nocase(std::string_view text, std::size_t at, std::string_view word) {
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
constexpr std::size_t kLongestKey = 512;
constexpr std::size_t kLongestToken = 16384;

// Vendor keys by their prefix; `least` counts the whole key.
struct KeyForm {
  std::string_view prefix;
  std::size_t least;
  std::string_view kind;
};
constexpr std::array kKeyForms = {
    KeyForm{"sk-ant-", 24, "anthropic_key"}, KeyForm{"sk-or-", 24, "openrouter_key"},
    KeyForm{"sk-", 20, "api_key"},           KeyForm{"sk_live_", 20, "stripe_key"},
    KeyForm{"rk_live_", 20, "stripe_key"},   KeyForm{"sess-", 30, "openai_session"},
    KeyForm{"AIza", 35, "google_key"},       KeyForm{"ya29.", 25, "google_token"},
    KeyForm{"gsk_", 24, "groq_key"},         KeyForm{"xai-", 24, "xai_key"},
    KeyForm{"pplx-", 24, "perplexity_key"},  KeyForm{"hf_", 20, "huggingface_token"},
    KeyForm{"r8_", 20, "replicate_token"},   KeyForm{"fw_", 20, "fireworks_key"},
    KeyForm{"nvapi-", 24, "nvidia_key"},     KeyForm{"tgp_v1_", 24, "together_key"},
    KeyForm{"pa-", 30, "voyage_key"},        KeyForm{"csk-", 24, "cerebras_key"},
    KeyForm{"ghp_", 24, "github_token"},     KeyForm{"gho_", 24, "github_token"},
    KeyForm{"ghs_", 24, "github_token"},     KeyForm{"github_pat_", 30, "github_token"},
    KeyForm{"glpat-", 20, "gitlab_token"},   KeyForm{"xoxb-", 20, "slack_token"},
    KeyForm{"xoxp-", 20, "slack_token"},     KeyForm{"npm_", 30, "npm_token"},
    KeyForm{"ABSK", 40, "bedrock_key"},      KeyForm{"dckr_pat_", 24, "docker_token"},
    KeyForm{"lsv2_", 24, "langsmith_key"},   KeyForm{"ddapi_", 24, "datadog_key"},
};

Find vendor_key(std::string_view text, std::size_t at) {
  for (const auto& form : kKeyForms) {
    if (!starts(text, at, form.prefix)) continue;
    const auto tail = at + form.prefix.size();
    const auto length = form.prefix.size() + run(text, tail, token, kLongestKey);
    // A word such as "sk-learn-based-classifier" has no digit.
    const auto key = text.substr(tail, length - form.prefix.size());
    if (length >= form.least && std::any_of(key.begin(), key.end(), digit)) {
      return {0, length, form.kind};
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
  const auto payload = run(text, at + header + 1, token, kLongestToken);
  auto length = header + 1 + payload;
  if (at + length < text.size() && text[at + length] == '.') {
    length += 1 + run(text, at + length + 1, token, kLongestToken);
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

// A named field: the name stays, the value goes. `basic` and `bearer` are schemes of a header.
struct FieldForm {
  std::string_view name;  // lower case
  std::size_t least;      // length of the value
  bool needs_separator;   // ':' or '=' between name and value
};
constexpr std::array kFields = {
    FieldForm{"bearer", 16, false},
    FieldForm{"authorization: basic", 8, false},
    FieldForm{"aws_secret_access_key", 30, true},
    FieldForm{"secretaccesskey", 30, true},
    FieldForm{"aws_session_token", 30, true},
    FieldForm{"x-api-key", 12, true},
    FieldForm{"api-key", 12, true},
    FieldForm{"api_key", 12, true},
    FieldForm{"apikey", 12, true},
    FieldForm{"access_token", 16, true},
    FieldForm{"refresh_token", 16, true},
    FieldForm{"client_secret", 12, true},
    FieldForm{"password", 6, true},
    FieldForm{"passwd", 6, true},
    FieldForm{"set-cookie", 8, true},
    FieldForm{"?key", 16, true},
    FieldForm{"&key", 16, true},
};

Find field(std::string_view text, std::size_t at) {
  for (const auto& form : kFields) {
    if (!starts_nocase(text, at, form.name)) continue;
    std::size_t value = at + form.name.size();
    bool separated = false;
    constexpr std::size_t kWidestGap = 8;
    const auto between = [](char c) {
      return c == ' ' || c == '"' || c == '\'' || c == '\\' || c == ':' || c == '=';
    };
    const auto gap = run(text, value, between, kWidestGap + 1);
    if (gap == 0 || gap > kWidestGap) continue;
    for (std::size_t i = 0; i < gap; ++i)
      separated |= text[value + i] == ':' || text[value + i] == '=';
    if (form.needs_separator && !separated) continue;
    value += gap;
    // A scheme inside a named field: `"authorization": "Bearer x"`.
    const auto length = run(text, value, base64, kLongestToken);
    const auto secret = text.substr(value, length);
    const bool is_mask = starts(text, value, "[REDACTED");
    const bool plain_word =
        !std::any_of(secret.begin(), secret.end(), [](char c) { return !alnum(c) || digit(c); });
    if (length >= form.least && !is_mask &&
        !(plain_word && form.name != "password" && form.name != "passwd")) {
      return {value - at, length, form.name == "bearer" ? "bearer_token" : "credential"};
    }
  }
  return {};
}

// First bytes of everything above, so that most positions cost one table look-up.
constexpr std::array<bool, 256> first_bytes() {
  std::array<bool, 256> table{};
  const auto mark = [&table](char c) { table[static_cast<unsigned char>(c)] = true; };
  for (const auto& form : kKeyForms) mark(form.prefix[0]);
  for (const auto& form : kFields) {
    mark(form.name[0]);
    if (form.name[0] >= 'a') mark(static_cast<char>(form.name[0] - 32));
  }
  mark('A');
  mark('e');
  mark('-');
  return table;
}
constexpr auto kFirst = first_bytes();

bool luhn(std::string_view text, std::size_t at, std::size_t length) {
  int sum = 0;
  bool doubled = false;
  for (std::size_t i = length; i-- > 0;) {
    const char c = text[at + i];
    if (!digit(c)) continue;
    int value = c - '0';
    if (doubled && (value *= 2) > 9) value -= 9;
    doubled = !doubled;
    sum += value;
  }
  return sum % 10 == 0;
}

Find card(std::string_view text, std::size_t at) {
  const auto length = run(text, at, [](char c) { return digit(c) || c == ' ' || c == '-'; }, 24);
  std::size_t digits = 0;
  std::size_t end = 0;
  for (std::size_t i = 0; i < length; ++i) {
    if (digit(text[at + i])) {
      ++digits;
      end = i + 1;
    }
  }
  return digits >= 13 && digits <= 19 && luhn(text, at, end) ? Find{0, end, "card"} : Find{};
}

Find phone(std::string_view text, std::size_t at) {
  if (text[at] != '+') return {};
  const auto dialled = [](char c) {
    return digit(c) || c == ' ' || c == '-' || c == '(' || c == ')';
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

Find iban(std::string_view text, std::size_t at) {
  if (!upper(text[at]) || at + 4 > text.size() || !upper(text[at + 1]) || !digit(text[at + 2]))
    return {};
  const auto length = run(text, at, [](char c) { return upper(c) || digit(c); }, 35);
  if (length < 15 || length > 34) return {};
  std::uint32_t remainder = 0;
  for (std::size_t i = 0; i < length; ++i) {
    const char c = text[at + (i + 4) % length];
    const auto value = static_cast<std::uint32_t>(digit(c) ? c - '0' : c - 'A' + 10);
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
  }
  return remainder == 1 ? Find{0, length, "iban"} : Find{};
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
  if (dot == std::string_view::npos || dot == 0 || name.size() - dot < 3) return {};
  return {0, local + 1 + domain, "email"};
}

}  // namespace

Find find_secret(std::string_view text, std::size_t at) {
  if (!kFirst[static_cast<unsigned char>(text[at])]) return {};
  // Names of fields may follow a prefix ("OPENAI_API_KEY="); keys stand on their own.
  if (const auto find = field(text, at); find.length != 0) return find;
  if (at > 0 && alnum(text[at - 1])) {
    // Inside JSON "\nsk-..." the letter before belongs to an escape.
    if (at < 2 || text[at - 2] != '\\') return {};
  }
  if (const auto find = vendor_key(text, at); find.length != 0) return find;
  if (const auto find = aws_key_id(text, at); find.length != 0) return find;
  if (const auto find = jwt(text, at); find.length != 0) return find;
  return pem(text, at);
}

Find find_personal(std::string_view text, std::size_t at) {
  const char before = at > 0 ? text[at - 1] : ' ';
  if (token(before) || before == '.') return {};
  const char c = text[at];
  if (digit(c)) {
    if (const auto find = card(text, at); find.length != 0) return find;
  }
  if (c == '+') return phone(text, at);
  if (upper(c)) {
    if (const auto find = iban(text, at); find.length != 0) return find;
  }
  return token(c) ? email(text, at) : Find{};
}

}  // namespace llmtap
