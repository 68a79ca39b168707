// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/usage_report.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <tuple>
#include <utility>

#include "userspace/base/terminal.h"
#include "userspace/sinks/terminal_table.h"

namespace llmtap {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kDim = "\x1b[2m";
constexpr const char* kRed = "\x1b[31m";
constexpr const char* kReset = "\x1b[0m";
constexpr double kNearLimit = 0.2;

struct Column {
  const char* title;
  bool right;
  bool text;  // gives way where the terminal is narrow
  std::string (*cell)(const UsageRow&);
};

std::string percent(double share) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), share > 0 && share < 0.1 ? "%.1f%%" : "%.0f%%",
                share * 100);
  return text.data();
}

std::string time_of(const Sketch& times, double quantile) {
  const auto us = times.quantile(quantile);
  return us ? format_duration(static_cast<std::uint64_t>(*us * 1000)) : "";
}

std::string count_or_blank(std::uint64_t count) { return count == 0 ? "" : format_count(count); }

std::string cost_of(const UsageRow& row) {
  if (row.sums.cost_nano == 0) return "";
  const double usd = static_cast<double>(row.sums.cost_nano) / 1e9;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(),
                usd < 0.01   ? "$%.6f"
                : usd < 1000 ? "$%.2f"
                             : "$%.0f",
                usd);
  return text.data();
}

std::string errors_of(const UsageRow& row) {
  if (row.errors == 0) return "";
  return percent(static_cast<double>(row.errors) / static_cast<double>(row.sums.calls));
}

std::string left_of(const UsageRow& row) {
  const auto left = row.limit ? share_left(*row.limit) : std::nullopt;
  return left ? percent(*left) : "";
}

std::vector<Column> columns_of(const UsageBy& by) {
  std::vector<Column> columns;
  if (by.service)
    columns.push_back({"SERVICE", false, true, [](const UsageRow& r) { return r.service; }});
  if (by.provider)
    columns.push_back({"PROVIDER", false, true, [](const UsageRow& r) { return r.provider; }});
  if (by.model)
    columns.push_back({"MODEL", false, true, [](const UsageRow& r) { return r.model; }});
  if (by.error) {
    columns.push_back({"ERROR", false, true, [](const UsageRow& r) {
                         return r.error.empty() ? std::string("-") : r.error;
                       }});
  }
  const std::initializer_list<Column> figures = {
      {"CALLS", true, false, [](const UsageRow& r) { return format_count(r.sums.calls); }},
      {"ERR%", true, false, errors_of},
      {"IN", true, false, [](const UsageRow& r) { return count_or_blank(r.sums.input); }},
      {"OUT", true, false, [](const UsageRow& r) { return count_or_blank(r.sums.output); }},
      {"COST", true, false, cost_of},
      {"P50", true, false, [](const UsageRow& r) { return time_of(r.sums.duration, 0.5); }},
      {"P95", true, false, [](const UsageRow& r) { return time_of(r.sums.duration, 0.95); }},
      {"TTFT95", true, false, [](const UsageRow& r) { return time_of(r.sums.ttft, 0.95); }},
      {"LEFT", true, false, left_of}};
  columns.insert(columns.end(), figures);
  return columns;
}

// As wide as the widest cell; where that is too much, the widest text gives way a cell at a time.
std::vector<std::size_t> widths_of(const std::vector<Column>& columns,
                                   const std::vector<UsageRow>& rows, std::size_t most) {
  constexpr std::size_t kLeast = 8;
  std::vector<std::size_t> widths;
  std::size_t total = 0;
  for (const auto& column : columns) {
    std::size_t width = std::string_view(column.title).size();
    for (const auto& row : rows) width = std::max(width, display_width(column.cell(row)));
    widths.push_back(width);
    total += width + 1;
  }
  for (; total > most + 1; --total) {
    std::size_t* widest = nullptr;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (columns[i].text && widths[i] > kLeast && (widest == nullptr || widths[i] > *widest))
        widest = &widths[i];
    }
    if (widest == nullptr) break;
    --*widest;
  }
  return widths;
}

}  // namespace

Result<UsageBy> parse_usage_by(const std::string& text) {
  UsageBy by{false, false, false, false};
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');) {
    if (word == "provider") {
      by.provider = true;
    } else if (word == "model") {
      by.model = true;
    } else if (word == "service") {
      by.service = true;
    } else if (word == "error") {
      by.error = true;
    } else {
      return Error{"--by: expected some of provider,model,service,error, got '" + word + "'"};
    }
  }
  return by;
}

std::vector<UsageRow> group_usage(const std::vector<RollupRow>& rows, const UsageBy& by) {
  using Key = std::tuple<std::string, std::string, std::string, std::string>;
  std::map<Key, UsageRow> groups;
  for (const auto& row : rows) {
    const std::string error = by.error ? row.error : "";
    auto& group = groups[{row.provider, row.model, row.service, error}];
    group.provider = row.provider;
    group.model = row.model;
    group.service = row.service;
    group.error = error;
    Rollup sums = row.sums;
    if (!row.error.empty()) {
      group.errors += sums.calls;
      if (!by.error) sums.duration = sums.ttft = {};
    }
    group.sums.merge(sums);
  }
  std::vector<UsageRow> out;
  for (auto& [key, group] : groups) out.push_back(std::move(group));
  std::stable_sort(out.begin(), out.end(), [](const UsageRow& a, const UsageRow& b) {
    return a.sums.calls > b.sums.calls;
  });
  return out;
}

std::optional<double> share_left(const RateLimit& limit) {
  if (!limit.limit || !limit.remaining || *limit.limit <= 0) return std::nullopt;
  return std::clamp(*limit.remaining / *limit.limit, 0.0, 1.0);
}

std::optional<RateLimit> tightest_limit(const std::string& record, double age_s) {
  const auto json = Json::parse(record, nullptr, false);
  if (!json.is_object() || !json.contains("rate_limits") || !json["rate_limits"].is_array())
    return std::nullopt;
  std::optional<RateLimit> tightest;
  for (const auto& entry : json["rate_limits"]) {
    if (!entry.is_object() || !entry.contains("name") || !entry["name"].is_string()) continue;
    const auto number = [&entry](const char* key) {
      const auto found = entry.find(key);
      return found != entry.end() && found->is_number() ? std::optional(found->get<double>())
                                                        : std::nullopt;
    };
    RateLimit limit;
    limit.name = entry["name"];
    limit.limit = number("limit");
    limit.remaining = number("remaining");
    limit.reset_s = number("reset_s");
    const auto left = share_left(limit);
    if (!left || (limit.reset_s && *limit.reset_s < age_s)) continue;
    if (!tightest || *left < *share_left(*tightest)) tightest = std::move(limit);
  }
  return tightest;
}

std::string usage_text(const std::vector<UsageRow>& rows, const UsageBy& by,
                       const UsageStyle& style) {
  const auto columns = columns_of(by);
  const auto widths = widths_of(columns, rows, style.columns);
  std::string text = style.color ? kDim : "";
  for (std::size_t i = 0; i < columns.size(); ++i)
    text += (i > 0 ? " " : "") + fit_cells(columns[i].title, widths[i], columns[i].right);
  text += style.color ? std::string(kReset) + '\n' : "\n";
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const auto left = row.limit ? share_left(*row.limit) : std::nullopt;
      const bool near = i + 1 == columns.size() && left && *left < kNearLimit;
      const bool paint = style.color && near;
      text += std::string(i > 0 ? " " : "") + (paint ? kRed : "") +
              fit_cells(columns[i].cell(row), widths[i], columns[i].right) + (paint ? kReset : "");
    }
    while (text.ends_with(' ')) text.pop_back();
    text += '\n';
  }
  return text;
}

std::string usage_json(const std::vector<UsageRow>& rows, const UsageBy& by) {
  std::string text;
  for (const auto& row : rows) {
    Json out = Json::object();
    if (by.service) out["service"] = row.service;
    if (by.provider) out["provider"] = row.provider;
    if (by.model) out["model"] = row.model;
    if (by.error) out["error"] = row.error;
    out["calls"] = row.sums.calls;
    out["errors"] = row.errors;
    out["input_tokens"] = row.sums.input;
    out["output_tokens"] = row.sums.output;
    out["cache_read_tokens"] = row.sums.cache_read;
    out["cost_usd"] = static_cast<double>(row.sums.cost_nano) / 1e9;
    const auto times = [&out](const char* half, const char* most, const Sketch& sketch) {
      if (const auto us = sketch.quantile(0.5)) out[half] = *us / 1000;
      if (const auto us = sketch.quantile(0.95)) out[most] = *us / 1000;
    };
    times("duration_p50_ms", "duration_p95_ms", row.sums.duration);
    times("ttft_p50_ms", "ttft_p95_ms", row.sums.ttft);
    if (row.limit) {
      out["rate_limit"] = {{"name", row.limit->name},
                           {"limit", *row.limit->limit},
                           {"remaining", *row.limit->remaining}};
      if (row.limit->reset_s) out["rate_limit"]["reset_s"] = *row.limit->reset_s;
    }
    text += out.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
  }
  return text;
}

}  // namespace llmtap
