// SPDX-License-Identifier: Apache-2.0
//
// Readers of single configuration values. Each Error says what was expected.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "parsers/core/result.h"
#include "userspace/app/config.h"

namespace llmtap {

Result<bool> parse_bool(
    const std::string& value);  // true, yes, on, 1 and their opposites; any case
Result<std::uint64_t> parse_size(const std::string& value);        // 1048576, 512MB, 8GB
Result<std::chrono::hours> parse_hours(const std::string& value);  // 12h, 30d
Result<std::chrono::milliseconds> parse_milliseconds(
    const std::string& value);                                 // 500ms, 5s, 2m, 4h, 7d
Result<ContentPolicy> parse_policy(const std::string& value);  // full, redacted, none
Result<std::string> parse_site(const std::string& value);      // a host
Result<std::string> parse_secret(const std::string& value);    // one word; blanks around it go
Result<std::string> parse_url(const std::string& value);  // http://, https://, unix://; or empty
Result<std::string> parse_header_name(const std::string& value);  // lower case; no credentials
Result<std::string> parse_address(const std::string& value);      // host:port; or empty
Result<std::uint64_t> parse_count(const std::string& value);      // at least 1, at most a million
Result<double> parse_price(const std::string& value);             // not negative
Result<bool> parse_sdk_calls(const std::string& value);           // leave, report
Result<std::string> parse_condition(const std::string& value);    // the filter language, as written
Result<std::string> parse_regex(const std::string& value);        // RE2, as written
Result<std::string> parse_label(const std::string& value);        // letters, digits, '_' and '-'
Result<std::string> parse_assessment(const std::string& value);   // pass, fail
Result<double> parse_rate(const std::string& value);              // 0 to 1
Result<std::vector<std::string>> parse_names(const std::string& value);  // destinations, "a,b"
// "a:b,c:d" or "a:b c:d", as ddtrace reads DD_TAGS. Pieces without a colon are left out.
std::vector<std::string> parse_tags(const std::string& value);

// Reads a value into its field.
template <auto Parse, class Field>
Status assign(Field& field, const std::string& value) {
  auto parsed = Parse(value);
  if (!parsed) return parsed.error();
  field = std::move(*parsed);
  return Unit{};
}

inline Status assign_text(std::string& field, const std::string& value) {
  field = value;
  return Unit{};
}

// Keys that take one value, those of otlp and sentry among them.
const std::vector<ConfigKey>& scalar_keys();

}  // namespace llmtap
