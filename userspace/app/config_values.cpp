// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/config_values.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>

#include "userspace/base/http_client.h"

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
  if (value == "true" || value == "1" || value == "yes" || value == "True") return true;
  if (value == "false" || value == "0" || value == "no" || value == "False") return false;
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
  static constexpr NumberUnit kUnits[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}};
  if (const auto ms = number_with_unit(value, kUnits)) {
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

Result<std::string> parse_url(const std::string& value) {
  if (value.empty()) return value;
  if (auto origin = parse_origin(value); !origin) return origin.error();
  return value;
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
