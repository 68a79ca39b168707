// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/terminal_table.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <string_view>

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
  std::size_t width;  // 0: flexible
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
                                                  {"MODEL", 0, false},
                                                  {"IN", 6, true},
                                                  {"OUT", 6, true},
                                                  {"COST", 9, true},
                                                  {"TTFT", 7, true},
                                                  {"DURATION", 8, true},
                                                  {"STATUS", 14, false}}};
constexpr std::size_t kDateWidth = 11;  // "2026-11-24 "

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// Cut and padded to `width` code points. A character is taken to be one cell wide.
std::string cell(std::string_view text, std::size_t width, bool right) {
  std::string out;
  std::size_t used = 0;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t next = i + 1;
    while (next < text.size() && continues(text[next])) ++next;
    if (used + 1 == width && next < text.size()) {
      out += "…";
      ++used;
      break;
    }
    if (used == width) break;
    const auto first = static_cast<unsigned char>(text[i]);
    // C0 controls, DEL, and the C1 controls that UTF-8 writes as c2 80..9f.
    const bool c1 =
        first == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (first < 0x20 || first == 0x7f || c1) {
      out += '?';
    } else {
      out.append(text, i, next - i);
    }
    ++used;
    i = next;
  }
  const std::string pad(width > used ? width - used : 0, ' ');
  return right ? pad + out : out + pad;
}

std::size_t width_of(std::size_t column, const TableStyle& style) {
  if (column == kTime && style.date) return kTable[kTime].width + kDateWidth;
  if (kTable[column].width != 0) return kTable[column].width;
  std::size_t others = style.date ? kDateWidth : 0;
  for (const auto& other : kTable) others += other.width + 1;
  constexpr std::size_t kLeast = 14;
  constexpr std::size_t kMost = 32;
  const std::size_t left = style.columns > others ? style.columns - others : 0;
  return std::clamp(left, kLeast, kMost);
}

std::string format_time(TimeNs ns, const TableStyle& style) {
  const auto seconds = static_cast<std::time_t>(ns / 1'000'000'000);
  std::tm tm{};
  if (style.utc) {
    gmtime_r(&seconds, &tm);
  } else {
    localtime_r(&seconds, &tm);
  }
  std::array<char, 40> text{};
  const auto length =
      std::strftime(text.data(), text.size(), style.date ? "%Y-%m-%d %H:%M:%S" : "%H:%M:%S", &tm);
  std::snprintf(text.data() + length, text.size() - length, ".%03u",
                static_cast<unsigned>(ns / 1'000'000 % 1000));
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
  if (count < 1'000'000) {
    std::snprintf(text.data(), text.size(), "%.0fk", static_cast<double>(count) / 1e3);
  } else {
    std::snprintf(text.data(), text.size(), "%.1fM", static_cast<double>(count) / 1e6);
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
  std::string line;
  for (std::size_t i = 0; i < kColumns; ++i) {
    if (i > 0) line += ' ';
    line += cell(kTable[i].title, width_of(i, style), kTable[i].right);
  }
  while (line.ends_with(' ')) line.pop_back();
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
  const std::array<std::string_view, kColumns> colors = {kDim, kBold, "", kCyan, "",
                                                         "",   "",    "", "",    status_color};
  std::string line;
  for (std::size_t i = 0; i < kColumns; ++i) {
    if (i > 0) line += ' ';
    // The last column is neither padded nor cut: an error's name must stay readable.
    const auto width =
        i == kStatus ? std::max<std::size_t>(texts[i].size(), 1) : width_of(i, style);
    std::string text = cell(texts[i], width, kTable[i].right);
    if (i == kStatus) {
      while (text.ends_with(' ')) text.pop_back();
    }
    const bool paint = style.color && !colors[i].empty();
    if (paint) line += colors[i];
    line += text;
    if (paint) line += kReset;
  }
  return line;
}

}  // namespace llmtap
