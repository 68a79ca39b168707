// SPDX-License-Identifier: Apache-2.0
#include "parsers/assembly/vendor_headers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

namespace llmtap {
namespace {

constexpr auto kNone = std::string_view::npos;

std::string_view value_of(const Headers& headers, std::string_view name) {
  return find_header(headers, name).value_or(std::string_view{});
}

bool digit(char c) { return c >= '0' && c <= '9'; }

// A non-negative decimal number at the front of `text`, which is moved behind it.
std::optional<double> take_number(std::string_view& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value,
                                            std::chars_format::fixed);
  if (error != std::errc{} || value < 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

std::optional<double> whole_number(std::string_view text) {
  const auto value = take_number(text);
  return text.empty() ? value : std::nullopt;
}

// `count` digits at `at`, or absent.
std::optional<int> digits(std::string_view text, std::size_t at, std::size_t count) {
  if (at + count > text.size()) return std::nullopt;
  int value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (!digit(text[i])) return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

// Days since 1970-01-01 in the proleptic Gregorian calendar.
std::int64_t days(int year, int month, int day) {
  const int y = month <= 2 ? year - 1 : year;
  const int era = (y >= 0 ? y : y - 399) / 400;
  const int of_era = y - era * 400;
  const int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return std::int64_t{era} * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

double seconds(int year, int month, int day, int hour, int minute, int second) {
  return static_cast<double>(days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second);
}

std::optional<double> rfc3339(std::string_view text) {
  const auto year = digits(text, 0, 4);
  const auto month = digits(text, 5, 2);
  const auto day = digits(text, 8, 2);
  const auto hour = digits(text, 11, 2);
  const auto minute = digits(text, 14, 2);
  const auto second = digits(text, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  double time = seconds(*year, *month, *day, *hour, *minute, *second);
  std::string_view rest = text.substr(19);
  if (rest.starts_with('.')) {
    const auto fraction = take_number(rest);
    if (!fraction) return std::nullopt;
    time += *fraction;
  }
  if (rest.starts_with('+') || rest.starts_with('-')) {
    const auto hours = digits(rest, 1, 2);
    const auto minutes = digits(rest, 4, 2);
    if (!hours || !minutes) return std::nullopt;
    time += (rest[0] == '+' ? -1.0 : 1.0) * (*hours * 3600 + *minutes * 60);
  }
  return time;
}

// "Wed, 21 Oct 2015 07:28:00 GMT"
std::optional<double> http_date(std::string_view text) {
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() < 29 || text[3] != ',') return std::nullopt;
  const auto month = kMonths.find(text.substr(8, 3));
  const auto day = digits(text, 5, 2);
  const auto year = digits(text, 12, 4);
  const auto hour = digits(text, 17, 2);
  const auto minute = digits(text, 20, 2);
  const auto second = digits(text, 23, 2);
  if (month == kNone || month % 3 != 0 || !day || !year || !hour || !minute || !second) {
    return std::nullopt;
  }
  return seconds(*year, static_cast<int>(month / 3) + 1, *day, *hour, *minute, *second);
}

// Seconds from `now_ns` on, from a duration, a bare number (seconds, or a Unix time in seconds or
// milliseconds where it is far too large for a wait) or a time.
std::optional<double> wait_from(std::string_view text, TimeNs now_ns) {
  constexpr double kUnixTime = 1e9;
  constexpr double kUnixMillis = 1e12;
  const double now = static_cast<double>(now_ns) / 1e9;
  if (const auto number = whole_number(text)) {
    if (*number < kUnixTime) return number;
    return std::max(0.0, (*number >= kUnixMillis ? *number / 1000 : *number) - now);
  }
  if (const auto duration = parse_duration(text)) return duration;
  if (const auto time = parse_time(text)) return std::max(0.0, *time - now);
  return std::nullopt;
}

class Limits {
 public:
  explicit Limits(TimeNs now_ns) : now_ns_(now_ns) {}

  void set(std::string_view name, std::string_view field, std::string_view value) {
    std::string key(name);
    std::replace(key.begin(), key.end(), '-', '_');
    auto number = field == "reset" ? wait_from(value, now_ns_) : whole_number(value);
    if (!number) return;
    auto found = std::find_if(limits_.begin(), limits_.end(),
                              [&](const RateLimit& limit) { return limit.name == key; });
    if (found == limits_.end()) {
      constexpr std::size_t kMost = 32;
      if (limits_.size() == kMost) return;
      limits_.push_back({std::move(key), {}, {}, {}});
      found = limits_.end() - 1;
    }
    auto& slot = field == "limit"       ? found->limit
                 : field == "remaining" ? found->remaining
                                        : found->reset_s;
    if (!slot) slot = number;
  }

  std::vector<RateLimit> take() { return std::move(limits_); }

 private:
  TimeNs now_ns_;
  std::vector<RateLimit> limits_;
};

constexpr std::array<std::string_view, 3> kFields = {"limit", "remaining", "reset"};

// "{field}[-{name}]", as behind x-ratelimit- (OpenAI, Groq, Azure, Mistral, Together, Fireworks)
// and ratelimit- (Replicate).
void field_first(std::string_view rest, std::string_view prefix, std::string_view value,
                 Limits& limits) {
  for (const auto field : kFields) {
    if (!rest.starts_with(field)) continue;
    std::string_view name = rest.substr(field.size());
    if (!name.empty() && name.front() != '-') continue;
    if (!name.empty()) name.remove_prefix(1);
    limits.set(std::string(prefix) + std::string(name.empty() ? "requests" : name), field, value);
    return;
  }
}

// "{name}-{field}", as behind anthropic-ratelimit-.
void field_last(std::string_view rest, std::string_view value, Limits& limits) {
  for (const auto field : kFields) {
    if (rest.size() > field.size() + 1 && rest.ends_with(field) &&
        rest[rest.size() - field.size() - 1] == '-') {
      limits.set(rest.substr(0, rest.size() - field.size() - 1), field, value);
    }
  }
}

// IETF draft (Hugging Face): `"api";r=499;t=210` and `"fixed window";"api";q=500;w=300`.
void structured(std::string_view value, Limits& limits) {
  std::string name = "requests";
  while (!value.empty()) {
    const auto end = std::min(value.find(';'), value.size());
    std::string_view item = value.substr(0, end);
    value.remove_prefix(std::min(end + 1, value.size()));
    while (item.starts_with(' ')) item.remove_prefix(1);
    if (item.size() >= 2 && item.starts_with('"') && item.ends_with('"')) {
      name = item.substr(1, item.size() - 2);
    } else if (item.starts_with("r=")) {
      limits.set(name, "remaining", item.substr(2));
    } else if (item.starts_with("t=")) {
      limits.set(name, "reset", item.substr(2));
    } else if (item.starts_with("q=")) {
      limits.set(name, "limit", item.substr(2));
    }
  }
}

}  // namespace

std::optional<double> parse_duration(std::string_view text) {
  struct Unit {
    std::string_view name;
    double seconds;
  };
  constexpr std::array<Unit, 7> kUnits = {{{"ms", 1e-3},
                                           {"us", 1e-6},
                                           {"ns", 1e-9},
                                           {"d", 86400},
                                           {"h", 3600},
                                           {"m", 60},
                                           {"s", 1}}};
  if (const auto bare = whole_number(text)) return bare;
  double total = 0;
  bool any = false;
  while (!text.empty()) {
    const auto number = take_number(text);
    if (!number) return std::nullopt;
    const auto* unit = std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& candidate) {
      return text.starts_with(candidate.name);
    });
    if (unit == kUnits.end()) return std::nullopt;
    text.remove_prefix(unit->name.size());
    total += *number * unit->seconds;
    any = true;
  }
  return any ? std::optional(total) : std::nullopt;
}

std::optional<double> parse_time(std::string_view text) {
  if (text.size() < 20 || (text[10] != 'T' && text[10] != 't' && text[10] != ' ')) {
    return http_date(text);
  }
  if (const auto time = rfc3339(text)) return time;
  return http_date(text);
}

std::string read_request_id(const Headers& response) {
  constexpr std::array<std::string_view, 17> kNames = {
      "x-request-id",       "request-id",        "x-amzn-requestid",   "apim-request-id",
      "x-ms-request-id",    "x-correlation-id",  "mistral-correlation-id", "x-generation-id",
      "inference-id",       "x-ds-trace-id",     "x-debug-trace-id",   "x-kong-request-id",
      "x-litellm-call-id",  "x-trace-id",        "x-requestid",        "x-amzn-trace-id",
      "cf-ray"};
  for (const auto name : kNames) {
    const auto value = value_of(response, name);
    if (!value.empty()) return std::string(value);
  }
  return {};
}

std::vector<RateLimit> read_rate_limits(const Headers& response, TimeNs now_ns) {
  Limits limits(now_ns);
  for (const auto& [header, value] : response) {
    std::string_view name = header;
    std::string prefix;
    if (name.starts_with("llm_provider-")) {  // LiteLLM: what its own upstream said
      name.remove_prefix(13);
      prefix = "llm_provider_";
    }
    if (name.starts_with("anthropic-ratelimit-")) {
      field_last(name.substr(20), value, limits);
    } else if (name.starts_with("x-ratelimit-")) {
      field_first(name.substr(12), prefix, value, limits);
    } else if (name.starts_with("x-ratelimitbysize-")) {  // Mistral
      field_first(name.substr(18), prefix + "size_", value, limits);
    } else if (name.starts_with("ratelimitbysize-")) {
      field_first(name.substr(16), prefix + "size_", value, limits);
    } else if (name == "ratelimit" || name == "ratelimit-policy") {
      structured(value, limits);
    } else if (name.starts_with("ratelimit-")) {
      field_first(name.substr(10), prefix, value, limits);
    } else if (name == "x-trial-endpoint-call-limit") {  // Cohere
      limits.set("trial_calls", "limit", value);
    } else if (name == "x-trial-endpoint-call-remaining" ||
               name == "x-trial-endpoint-call-limit-remaining") {
      limits.set("trial_calls", "remaining", value);
    } else if (name == "x-endpoint-monthly-call-limit") {
      limits.set("monthly_calls", "limit", value);
    } else if (name == "x-endpoint-monthly-call-limit-remaining") {
      limits.set("monthly_calls", "remaining", value);
    }
  }
  return limits.take();
}

std::optional<Cost> read_reported_cost(const Headers& response) {
  double usd = 0;
  const auto text = value_of(response, "x-litellm-response-cost");
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), usd);
  if (error != std::errc{} || end != text.data() + text.size() || !(usd > 0)) return std::nullopt;
  Cost cost;
  cost.total_usd = usd;
  cost.source = Cost::Source::kProvider;
  return cost;
}

std::optional<double> read_retry_after(const Headers& response, TimeNs now_ns) {
  if (const auto millis = whole_number(value_of(response, "retry-after-ms"))) return *millis / 1000;
  return wait_from(value_of(response, "retry-after"), now_ns);
}

}  // namespace llmtap
