// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "userspace/base/utf8.h"

namespace llmtap {
namespace {

struct Range {
  char32_t first, last;
};

template <std::size_t N>
bool in(const std::array<Range, N>& ranges, char32_t c) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [c](const Range& r) { return c >= r.first && c <= r.last; });
}

// Controls; zero width, marks of direction (UAX 9), separators, byte order mark, tags.
constexpr std::array kUnfit = {Range{0, 0x1f},         Range{0x7f, 0x9f},     Range{0xad, 0xad},
                               Range{0x61c, 0x61c},    Range{0x200b, 0x200f}, Range{0x2028, 0x202e},
                               Range{0x2060, 0x206f},  Range{0xfeff, 0xfeff}, Range{0xfff9, 0xfffb},
                               Range{0xe0000, 0xe007f}};
// Combining marks of the common scripts, selectors of variants.
constexpr std::array kNoWidth = {Range{0x300, 0x36f}, Range{0x1ab0, 0x1aff}, Range{0x1dc0, 0x1dff},
                                 Range{0x20d0, 0x20ff}, Range{0xfe00, 0xfe0f}};
// East Asian wide and full-width (UAX 11), emoji.
constexpr std::array kWide = {
    Range{0x1100, 0x115f},   Range{0x2e80, 0x303e},   Range{0x3041, 0x33ff},
    Range{0x3400, 0x4dbf},   Range{0x4e00, 0x9fff},   Range{0xa000, 0xa4cf},
    Range{0xac00, 0xd7a3},   Range{0xf900, 0xfaff},   Range{0xfe30, 0xfe6f},
    Range{0xff00, 0xff60},   Range{0xffe0, 0xffe6},   Range{0x1f300, 0x1f64f},
    Range{0x1f680, 0x1f6ff}, Range{0x1f900, 0x1faff}, Range{0x20000, 0x3fffd}};

std::size_t cells(char32_t c) { return in(kNoWidth, c) ? 0 : in(kWide, c) ? 2 : 1; }

// Takes the next character to show off the front of `text`.
struct Shown {
  std::string_view bytes;
  std::size_t cells;
};
Shown take(std::string_view& text) {
  const CodePoint point = front_code_point(text);
  const std::string_view bytes = text.substr(0, std::max<std::size_t>(point.length, 1));
  text.remove_prefix(bytes.size());
  if (point.length == 0 || in(kUnfit, point.value)) return {"?", 1};
  return {bytes, cells(point.value)};
}

}  // namespace

Terminal stdout_terminal() {
  Terminal out;
  const auto set = [](const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string_view() : std::string_view(value);
  };
  out.is_one = ::isatty(STDOUT_FILENO) == 1;
  out.color = out.is_one && set("NO_COLOR").empty() && set("TERM") != "dumb";
  winsize size{};
  if (out.is_one && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    out.columns = size.ws_col;
  return out;
}

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) out += take(text).bytes;
  return out;
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) width += take(text).cells;
  return width;
}

std::string fit_cells(std::string_view text, std::size_t width, bool right) {
  std::string out;
  std::size_t used = 0;
  const bool whole = display_width(text) <= width;
  const std::size_t room = whole || width == 0 ? width : width - 1;  // for the ellipsis
  while (!text.empty()) {
    const Shown next = take(text);
    if (used + next.cells > room) break;
    out += next.bytes;
    used += next.cells;
  }
  if (!whole && width > 0) {
    out += "…";
    ++used;
  }
  const std::string pad(width > used ? width - used : 0, ' ');
  return right ? pad + out : out + pad;
}

}  // namespace llmtap
