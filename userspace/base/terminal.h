// SPDX-License-Identifier: Apache-2.0
//
// What stdout is, and texts that are fit to be shown there. Captured text is hostile: it must not
// steer a terminal, hide itself, or turn the text around it about.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace llmtap {

struct Terminal {
  bool is_one = false;
  bool color = false;         // a terminal, and neither NO_COLOR nor TERM=dumb speaks against it
  std::size_t columns = 160;  // of the terminal; wide where it is none
};
Terminal stdout_terminal();

// '?' for control characters (C0, C1, DEL, line separators), marks of direction, characters without
// width, and bytes that are no UTF-8.
std::string printable(std::string_view text);

// Cells of `text` on a terminal, as printable() leaves it: CJK and emoji take two, accents none.
std::size_t display_width(std::string_view text);

// printable(), cut with an ellipsis and padded to `width` cells.
std::string fit_cells(std::string_view text, std::size_t width, bool right = false);

}  // namespace llmtap
