// SPDX-License-Identifier: Apache-2.0
//
// What a destination's answer means.
#include <algorithm>
#include <charconv>
#include <ctime>
#include <optional>

#include "userspace/sinks/delivery.h"

namespace llmtap {
namespace {

constexpr std::chrono::seconds kLongestRetryAfter{3600};

}  // namespace

Outcome default_outcome(int status) {
  if (status >= 200 && status < 300) return Outcome::kTaken;
  if (status == 401 || status == 403) return Outcome::kRefusedKey;
  if (status == 404 || status == 405 || status == 408 || status == 429) return Outcome::kLater;
  if (status >= 400 && status < 500) return Outcome::kTooLarge;
  return Outcome::kLater;
}

Outcome otlp_outcome(int status) {
  if (status >= 200 && status < 300) return Outcome::kTaken;
  switch (status) {
    case 401:
    case 403:
      return Outcome::kRefusedKey;
    case 413:
      return Outcome::kTooLarge;
    case 429:
    case 502:
    case 503:
    case 504:
      return Outcome::kLater;
    default:
      return Outcome::kRefused;
  }
}

std::optional<std::chrono::seconds> parse_retry_after(const std::string& value, std::int64_t now) {
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error != std::errc{} || end != value.data() + value.size()) {
    std::tm tm{};
    if (::strptime(value.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &tm) == nullptr) return std::nullopt;
    seconds = static_cast<std::int64_t>(::timegm(&tm)) - now;
  }
  return std::clamp(std::chrono::seconds(seconds), std::chrono::seconds{0}, kLongestRetryAfter);
}

}  // namespace llmtap
