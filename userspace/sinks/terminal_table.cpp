// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/terminal_table.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <string_view>

#include "userspace/base/terminal.h"

namespace llmtap {
namespace {

constexpr std::string_view kReset = "\x1b[0m";
constexpr std::string_view kDim = "\x1b[2m";
constexpr std::string_view kBold = "\x1b[1m";
constexpr std::string_view kRed = "\x1b[31m";
constexpr std::string_view kGreen = "\x1b[32m";
constexpr std::string_view kYellow = "\x1b[33m";
constexpr std::string_view kCyan = "\x1b[36m";

struct Column {
  const char* title;
  std::size_t width;
  bool right;
};
enum ColumnIndex : std::size_t {
  kTime,
  kService,
  kProvider,
  kModel,
  kInput,
  kOutput,
  kCost,
  kTtft,
  kDuration,
  kStatus,
  kColumns
};
constexpr std::array<Column, kColumns> kTable = {{{"TIME", 12, false},
                                                  {"SERVICE", 18, false},
                                                  {"PROVIDER", 12, false},
                                                  {"MODEL", 14, false},
                                                  {"IN", 6, true},
                                                  {"OUT", 6, true},
                                                  {"COST", 9, true},
                                                  {"TTFT", 7, true},
                                                  {"DURATION", 8, true},
                                                  {"STATUS", 14, false}}};
constexpr std::size_t kDateWidth = 11;      // "2026-11-24 "
constexpr std::size_t kShortDateWidth = 6;  // "11-24 "
constexpr std::size_t kMostModel = 32;

// What gives way first where the terminal is narrow, until it fits. Width 0: left out.
struct Step {
  ColumnIndex column;
  std::size_t width;
};
constexpr std::array kSteps = {Step{kService, 14}, Step{kTime, 8},     Step{kTtft, 0},
                               Step{kService, 10}, Step{kCost, 0},     Step{kStatus, 12},
                               Step{kProvider, 9}, Step{kInput, 0},    Step{kOutput, 0},
                               Step{kModel, 10},   Step{kProvider, 0}, Step{kService, 7}};

using Widths = std::array<std::size_t, kColumns>;

std::size_t total(const Widths& widths) {
  std::size_t sum = 0;
  for (const auto width : widths) sum += width == 0 ? 0 : width + 1;
  return sum - 1;
}

Widths widths_of(const TableStyle& style) {
  Widths widths{};
  for (std::size_t i = 0; i < kColumns; ++i) widths[i] = kTable[i].width;
  const std::size_t date = style.date ? kDateWidth : 0;
  widths[kTime] += date;
  for (const auto& step : kSteps) {
    if (total(widths) <= style.columns) break;
    widths[step.column] = step.width;
    if (step.column == kTime && style.date) widths[kTime] += kShortDateWidth;
  }
  if (const auto used = total(widths); used < style.columns)
    widths[kModel] = std::min(kMostModel, widths[kModel] + style.columns - used);
  return widths;
}

// The cells of one line; `color` by column, where asked for.
std::string line_of(const std::array<std::string, kColumns>& texts,
                    const std::array<std::string_view, kColumns>& colors, const TableStyle& style) {
  const Widths widths = widths_of(style);
  std::string line;
  for (std::size_t i = 0; i < kColumns; ++i) {
    if (widths[i] == 0) continue;
    if (i > 0) line += ' ';
    // The last column is neither padded nor cut: an error's name must stay readable.
    const std::string cell =
        i == kStatus ? printable(texts[i]) : fit_cells(texts[i], widths[i], kTable[i].right);
    const bool paint = style.color && !colors[i].empty();
    if (paint) line += colors[i];
    line += cell;
    if (paint) line += kReset;
  }
  return line;
}

// As much as the column is wide: if it is narrow, without year and milliseconds.
std::string format_time(TimeNs ns, const TableStyle& style) {
  const auto seconds = static_cast<std::time_t>(ns / 1'000'000'000);
  std::tm tm{};
  if (style.utc) {
    gmtime_r(&seconds, &tm);
  } else {
    localtime_r(&seconds, &tm);
  }
  const bool narrow = widths_of(style)[kTime] < kTable[kTime].width + (style.date ? kDateWidth : 0);
  const char* format = !style.date ? "%H:%M:%S" : narrow ? "%m-%d %H:%M:%S" : "%Y-%m-%d %H:%M:%S";
  std::array<char, 40> text{};
  const auto length = std::strftime(text.data(), text.size(), format, &tm);
  if (!narrow) {
    std::snprintf(text.data() + length, text.size() - length, ".%03u",
                  static_cast<unsigned>(ns / 1'000'000 % 1000));
  }
  return text.data();
}

std::string status_text(const CallSummary& call) {
  std::string text;
  if (call.ok()) {
    text = call.finish_reason.empty() ? "ok" : call.finish_reason;
  } else {
    if (call.http_status && *call.http_status >= 400)
      text = std::to_string(*call.http_status) + ' ';
    text += call.error_class;
  }
  if (call.partial) text += " ◐";
  return text;
}

}  // namespace

std::string format_duration(std::uint64_t ns) {
  std::array<char, 32> text{};
  const double ms = static_cast<double>(ns) / 1e6;
  if (ms < 10) {
    std::snprintf(text.data(), text.size(), "%.1fms", ms);
  } else if (ms < 999.5) {
    std::snprintf(text.data(), text.size(), "%.0fms", ms);
  } else if (ms < 59'995) {
    std::snprintf(text.data(), text.size(), "%.2fs", ms / 1e3);
  } else {
    const auto seconds = static_cast<unsigned long long>(ms / 1e3);
    std::snprintf(text.data(), text.size(), "%llum%02llus", seconds / 60, seconds % 60);
  }
  return text.data();
}

std::string format_count(std::uint64_t count) {
  std::array<char, 32> text{};
  if (count < 100'000) return std::to_string(count);
  const double number = static_cast<double>(count);
  if (count < 999'500) {
    std::snprintf(text.data(), text.size(), "%.0fk", number / 1e3);
  } else if (count < 999'950'000) {
    std::snprintf(text.data(), text.size(), "%.1fM", number / 1e6);
  } else if (count < 999'950'000'000) {
    std::snprintf(text.data(), text.size(), "%.1fG", number / 1e9);
  } else {
    std::snprintf(text.data(), text.size(), "%.0e", number);  // nobody's real figure
  }
  return text.data();
}

std::string format_cost(double usd) {
  std::array<char, 32> text{};
  // Three significant digits below a cent: most calls cost less than that.
  std::snprintf(text.data(), text.size(), usd != 0 && usd < 0.01 ? "$%.6f" : "$%.4f", usd);
  return text.data();
}

std::string table_header(const TableStyle& style) {
  std::array<std::string, kColumns> titles;
  for (std::size_t i = 0; i < kColumns; ++i) titles[i] = kTable[i].title;
  const std::string line = line_of(titles, {}, {.date = style.date, .columns = style.columns});
  return style.color ? std::string(kDim) + line + std::string(kReset) : line;
}

std::string table_line(const CallSummary& call, const TableStyle& style) {
  const auto tokens = [&call](const std::optional<std::uint64_t>& count) {
    return count ? (call.tokens_estimated ? "~" : "") + format_count(*count) : std::string();
  };
  const std::array<std::string, kColumns> texts = {
      format_time(call.start_ns, style),
      call.service.empty() ? call.process : call.service,
      call.provider.empty() ? call.host : call.provider,
      call.model.empty() ? call.operation : call.model,
      tokens(call.input_tokens),
      tokens(call.output_tokens),
      call.cost_usd ? format_cost(*call.cost_usd) : "",
      call.ttft_ns ? format_duration(*call.ttft_ns) : "",
      format_duration(call.duration_ns),
      status_text(call)};
  const std::string_view status_color = !call.ok() ? kRed : call.partial ? kYellow : kGreen;
  return line_of(texts, {kDim, kBold, "", kCyan, "", "", "", "", "", status_color}, style);
}

}  // namespace llmtap
