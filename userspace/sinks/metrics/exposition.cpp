// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/metrics/exposition.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace llmtap {
namespace {

// Whole numbers without exponent, others as short as they round-trip.
std::string number(double value) {
  constexpr double kExact = 9007199254740992.0;  // 2^53
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  if (value == std::floor(value) && std::abs(value) < kExact)
    return std::to_string(static_cast<std::int64_t>(value));
  std::array<char, 32> digits{};
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  return error == std::errc{} ? std::string(digits.data(), end) : "NaN";
}

void append_escaped(std::string& out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

}  // namespace

void Histogram::observe(double value) {
  const auto edge = std::lower_bound(edges_.begin(), edges_.end(), value);
  ++counts_[static_cast<std::size_t>(edge - edges_.begin())];
  sum_ += value;
}

void Exposition::family(std::string_view name, std::string_view type, std::string_view help) {
  family_ = name;
  text_ += "# HELP " + family_ + ' ';
  append_escaped(text_, help, false);
  text_ += "\n# TYPE " + family_ + ' ';
  text_ += type;
  text_ += '\n';
}

void Exposition::sample(std::string_view suffix, const Labels& labels, double value) {
  text_ += family_;
  text_ += suffix;
  char separator = '{';
  for (const auto& label : labels) {
    text_ += separator;
    text_ += label.name;
    text_ += "=\"";
    append_escaped(text_, label.value, true);
    text_ += '"';
    separator = ',';
  }
  if (!labels.empty()) text_ += '}';
  text_ += ' ';
  text_ += number(value);
  text_ += '\n';
}

void Exposition::histogram(const Labels& labels, const Histogram& histogram) {
  Labels with_edge = labels;
  with_edge.push_back({"le", ""});
  std::uint64_t below = 0;
  const auto bucket = [&](const std::string& edge, std::uint64_t count) {
    below += count;
    with_edge.back().value = edge;
    sample("_bucket", with_edge, static_cast<double>(below));
  };
  for (std::size_t i = 0; i < histogram.edges().size(); ++i) {
    bucket(number(histogram.edges()[i]), histogram.counts()[i]);
  }
  bucket("+Inf", histogram.counts().back());
  sample("_sum", labels, histogram.sum());
  sample("_count", labels, static_cast<double>(below));
}

void Exposition::counter(std::string_view name, std::string_view help, double value) {
  family(name, "counter", help);
  sample({}, value);
}

void Exposition::gauge(std::string_view name, std::string_view help, double value) {
  family(name, "gauge", help);
  sample({}, value);
}

}  // namespace llmtap
