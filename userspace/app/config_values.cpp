// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/config_values.h"

#include <strings.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>

#include "parsers/assembly/secrets.h"
#include "userspace/base/http_client.h"
#include "userspace/base/http_server.h"
#include "userspace/enrich/user_patterns.h"
#include "userspace/store/filter.h"

namespace llmtap {
namespace {

struct NumberUnit {
  std::string_view name;
  std::uint64_t factor;
};

// A whole number followed by one of `units`.
template <std::size_t N>
std::optional<std::uint64_t> number_with_unit(std::string_view text, const NumberUnit (&units)[N]) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  for (const auto& unit : units) {
    if (rest != unit.name) continue;
    if (number > std::numeric_limits<std::int64_t>::max() / unit.factor) return std::nullopt;
    return number * unit.factor;
  }
  return std::nullopt;
}

}  // namespace

Result<bool> parse_bool(const std::string& value) {
  const auto is = [&value](const char* word) { return ::strcasecmp(value.c_str(), word) == 0; };
  if (is("true") || is("yes") || is("on") || is("1")) return true;
  if (is("false") || is("no") || is("off") || is("0")) return false;
  return Error{"expected true or false"};
}

Result<std::uint64_t> parse_size(const std::string& value) {
  static constexpr NumberUnit kUnits[] = {{"", 1},
                                          {"KB", std::uint64_t{1} << 10},
                                          {"MB", std::uint64_t{1} << 20},
                                          {"GB", std::uint64_t{1} << 30},
                                          {"TB", std::uint64_t{1} << 40}};
  if (const auto bytes = number_with_unit(value, kUnits)) return *bytes;
  return Error{"expected a size such as 512MB or 8GB"};
}

Result<std::chrono::hours> parse_hours(const std::string& value) {
  static constexpr NumberUnit kUnits[] = {{"h", 1}, {"d", 24}};
  const auto hours = number_with_unit(value, kUnits);
  if (hours && *hours > 0 && *hours < 24ULL * 36500) {
    return std::chrono::hours(static_cast<std::int64_t>(*hours));
  }
  return Error{"expected a time such as 12h or 30d"};
}

Result<std::chrono::milliseconds> parse_milliseconds(const std::string& value) {
  static constexpr NumberUnit kUnits[] = {
      {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
  constexpr std::uint64_t kMost = 36'500ULL * 86'400'000;  // clocks of nanoseconds hold as much
  if (const auto ms = number_with_unit(value, kUnits); ms && *ms <= kMost) {
    return std::chrono::milliseconds(static_cast<std::int64_t>(*ms));
  }
  return Error{"expected a time such as 500ms or 5s"};
}

Result<ContentPolicy> parse_policy(const std::string& value) {
  if (value == "full") return ContentPolicy::kFull;
  if (value == "redacted") return ContentPolicy::kRedacted;
  if (value == "none") return ContentPolicy::kNone;
  return Error{"expected full, redacted or none"};
}

Result<std::string> parse_site(const std::string& value) {
  const bool good = !value.empty() && std::all_of(value.begin(), value.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '-';
  });
  if (!good) return Error{"expected a host such as datadoghq.eu, without https://"};
  return value;
}

Result<std::string> parse_secret(const std::string& value) {
  constexpr const char* kBlanks = " \t\r\n";
  const auto first = value.find_first_not_of(kBlanks);
  if (first == std::string::npos) return std::string();
  auto secret = value.substr(first, value.find_last_not_of(kBlanks) - first + 1);
  for (const unsigned char c : secret) {
    if (c <= ' ' || c == 0x7f) return Error{"expected one word"};
  }
  return secret;
}

Result<std::string> parse_url(const std::string& value) {
  if (value.empty()) return value;
  if (auto origin = parse_origin(value); !origin) return origin.error();
  return value;
}

Result<std::string> parse_address(const std::string& value) {
  if (value.empty()) return value;
  if (auto address = parse_listen(value); !address) return address.error();
  return value;
}

Result<std::uint64_t> parse_count(const std::string& value) {
  constexpr std::uint64_t kMost = 1'000'000;
  std::uint64_t count = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), count);
  if (error == std::errc{} && end == value.data() + value.size() && count > 0 && count <= kMost)
    return count;
  return Error{"expected a number from 1 to 1000000"};
}

Result<double> parse_price(const std::string& value) {
  double price = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), price);
  if (error == std::errc{} && end == value.data() + value.size() && std::isfinite(price) &&
      price >= 0) {
    return price;
  }
  return Error{"expected USD per million tokens, such as 0.5"};
}

Result<std::string> parse_header_name(const std::string& value) {
  std::string name = value;
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c <= ' ' || c == ':' || c == 0x7f) return Error{"expected the name of a header"};
  }
  if (is_secret_header(name)) return Error{"headers with credentials are never read"};
  return name;
}

Result<bool> parse_sdk_calls(const std::string& value) {
  if (value == "leave") return false;
  if (value == "report") return true;
  return Error{"expected leave or report"};
}

Result<std::string> parse_condition(const std::string& value) {
  auto filter = parse_filter(value);
  if (!filter) return filter.error();
  return value;
}

Result<std::string> parse_regex(const std::string& value) {
  UserPatterns patterns;
  if (auto status = patterns.add("x", value); !status) return status.error();
  return value;
}

Result<std::string> parse_label(const std::string& value) {
  constexpr std::size_t kLongest = 64;
  const bool good = std::all_of(value.begin(), value.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-';
  });
  if (!good || value.empty() || value.size() > kLongest)
    return Error{"expected letters, digits, '_' and '-'"};
  return value;
}

Result<std::string> parse_assessment(const std::string& value) {
  if (value == "pass" || value == "fail") return value;
  return Error{"expected pass or fail"};
}

Result<double> parse_rate(const std::string& value) {
  double rate = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), rate);
  if (error == std::errc{} && end == value.data() + value.size() && rate >= 0 && rate <= 1)
    return rate;
  return Error{"expected a share from 0 to 1"};
}

Result<std::vector<std::string>> parse_names(const std::string& value) {
  std::vector<std::string> names;
  for (std::size_t at = 0; at < value.size();) {
    const auto end = std::min(value.find_first_of(", ", at), value.size());
    if (end > at) names.push_back(value.substr(at, end - at));
    at = end + 1;
  }
  constexpr std::array<std::string_view, 5> kKnown = {"store", "jsonl", "datadog", "otlp",
                                                      "sentry"};
  for (const auto& name : names) {
    if (std::find(kKnown.begin(), kKnown.end(), name) == kKnown.end())
      return Error{"unknown destination '" + name +
                   "', expected store, jsonl, datadog, otlp, sentry"};
  }
  if (names.empty()) return Error{"expected names of destinations"};
  return names;
}

std::vector<std::string> parse_tags(const std::string& value) {
  const char separator = value.find(',') != std::string::npos ? ',' : ' ';
  std::vector<std::string> tags;
  for (std::size_t begin = 0; begin <= value.size();) {
    const auto end = std::min(value.find(separator, begin), value.size());
    auto tag = value.substr(begin, end - begin);
    const auto first = tag.find_first_not_of(' ');
    if (first != std::string::npos && tag.find(':') != std::string::npos) {
      tags.push_back(tag.substr(first, tag.find_last_not_of(' ') - first + 1));
    }
    begin = end + 1;
  }
  return tags;
}

}  // namespace llmtap
