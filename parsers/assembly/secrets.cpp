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

bool key_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
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
  if (std::any_of(kInside.begin(), kInside.end(), [&](std::string_view part) {
        return name.find(part) != std::string_view::npos;
      })) {
    return true;
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
  const std::string text = lower(value.substr(0, 32));
  if (text.starts_with("bearer ") || text.starts_with("basic ") || text.starts_with("aws4-")) {
    return true;
  }
  for (std::size_t at = 0; at < value.size();) {
    std::size_t end = at;
    while (end < value.size() && key_char(value[end])) ++end;
    const std::string_view word = value.substr(at, end - at);
    for (const auto& prefix : kPrefixes) {
      if (word.size() >= prefix.length && word.starts_with(prefix.text)) return true;
    }
    at = end + 1;
  }
  return false;
}

Headers kept_headers(const Headers& headers) {
  const auto kept = [](const Header& header) {
    return !is_needless(header.name) && !is_secret_header(header.name) &&
           header.value.size() <= kMaxHeaderValue && !looks_like_credential(header.value);
  };
  Headers out;
  out.reserve(std::min<std::size_t>(
      kMaxHeaders, static_cast<std::size_t>(std::count_if(headers.begin(), headers.end(), kept))));
  for (const auto& header : headers) {
    if (out.size() == kMaxHeaders) break;
    if (kept(header)) out.push_back(header);
  }
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
