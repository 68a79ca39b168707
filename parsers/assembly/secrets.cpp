// SPDX-License-Identifier: Apache-2.0
#include "parsers/assembly/secrets.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace llmtap {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

constexpr bool key_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
         c == '_' || c == '.';
}

// `prefix` in lower case.
bool starts_with_fold(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), text.begin(), [](char expected, char c) {
           return expected == (c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c);
         });
}

// Keys and tokens that say what they are by their first letters, and how long they are at least.
struct Prefix {
  std::string_view text;
  std::size_t length;
};
constexpr std::array<Prefix, 16> kPrefixes = {{{"sk-", 20},
                                               {"sk_", 20},
                                               {"gsk_", 20},
                                               {"xai-", 20},
                                               {"hf_", 20},
                                               {"r8_", 20},
                                               {"pplx-", 20},
                                               {"nvapi-", 20},
                                               {"AIza", 30},
                                               {"ya29.", 20},
                                               {"eyJ", 40},
                                               {"ghp_", 20},
                                               {"glpat-", 20},
                                               {"AKIA", 20},
                                               {"ASIA", 20},
                                               {"openai-insecure-api-key", 23}}};

constexpr std::size_t kShortestKey =
    std::min_element(kPrefixes.begin(), kPrefixes.end(), [](const Prefix& a, const Prefix& b) {
      return a.length < b.length;
    })->length;

// Says nothing about a call, or nothing that the record does not say elsewhere.
bool is_needless(std::string_view name) {
  static constexpr std::array<std::string_view, 29> kNames = {
      "accept",        "accept-encoding",           "accept-language", "accept-ranges",
      "age",           "alt-svc",                   "cache-control",   "cf-cache-status",
      "connection",    "content-length",            "date",            "etag",
      "expires",       "host",                      "keep-alive",      "last-modified",
      "nel",           "permissions-policy",        "pragma",          "referrer-policy",
      "report-to",     "strict-transport-security", "te",              "transfer-encoding",
      "vary",          "x-content-type-options",    "x-frame-options", "x-xss-protection",
      "content-security-policy"};
  static constexpr std::array<std::string_view, 6> kPrefixed = {
      "access-control-", "sec-fetch-", "sec-ch-", "x-stainless-", "x-ratelimit-",
      "anthropic-ratelimit-"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end() ||
         std::any_of(kPrefixed.begin(), kPrefixed.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

}  // namespace

bool is_secret_header(std::string_view name) {
  static constexpr std::array<std::string_view, 12> kInside = {
      "authorization", "cookie",   "api-key",    "api_key",     "apikey",         "secret",
      "password",      "x-auth",   "credential", "access-key",  "subscription-key", "auth-key"};
  for (std::string_view rest = name; !rest.empty(); rest.remove_prefix(1)) {
    for (const std::string_view part : kInside) {
      if (rest.front() == part.front() && rest.starts_with(part)) return true;
    }
  }
  // x-amz-security-token, x-csrf-token; not x-ratelimit-limit-tokens or -token-count.
  return name.ends_with("token") || name.ends_with("signature") || name.ends_with("-jwt") ||
         name.ends_with("assertion");
}

bool is_secret_parameter(std::string_view name) {
  static constexpr std::array<std::string_view, 10> kNames = {
      "key", "sig", "auth", "jwt", "pwd", "code", "x-amz-credential", "access_key_id", "sv_sig",
      "awsaccesskeyid"};
  const std::string text = lower(name);
  return std::find(kNames.begin(), kNames.end(), text) != kNames.end() || is_secret_header(text) ||
         text.ends_with("-key") || text.ends_with("_key");
}

bool looks_like_credential(std::string_view value) {
  for (const std::string_view scheme : {"bearer ", "basic ", "aws4-"}) {
    if (starts_with_fold(value, scheme)) return true;
  }
  for (std::size_t at = 0; at < value.size();) {
    std::size_t end = at;
    while (end < value.size() && key_char(value[end])) ++end;
    const std::string_view word = value.substr(at, end - at);
    at = end + 1;
    if (word.size() < kShortestKey) continue;
    for (const auto& prefix : kPrefixes) {
      if (word.size() >= prefix.length && word.starts_with(prefix.text)) return true;
    }
  }
  return false;
}

Headers kept_headers(const Headers& headers) {
  Headers out;
  out.reserve(headers.memory());
  std::size_t count = 0;
  for (const Header header : headers) {
    if (is_needless(header.name) || is_secret_header(header.name) ||
        header.value.size() > kMaxHeaderValue || looks_like_credential(header.value)) {
      continue;
    }
    if (++count > kMaxHeaders) break;
    out.add(header.name, header.value);
  }
  out.shrink_to_fit();
  return out;
}

std::string mask_query(std::string_view path) {
  const auto query = path.find('?');
  if (query == std::string_view::npos) return std::string(path);
  std::string out(path.substr(0, query + 1));
  std::string_view rest = path.substr(query + 1);
  while (!rest.empty()) {
    const auto end = std::min(rest.find('&'), rest.size());
    const std::string_view pair = rest.substr(0, end);
    const auto equal = pair.find('=');
    if (equal != std::string_view::npos && (is_secret_parameter(pair.substr(0, equal)) ||
                                            looks_like_credential(pair.substr(equal + 1)))) {
      out.append(pair.substr(0, equal + 1)).append("***");
    } else {
      out.append(pair);
    }
    if (end < rest.size()) out.push_back('&');
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out;
}

}  // namespace llmtap
