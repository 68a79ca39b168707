// SPDX-License-Identifier: Apache-2.0
//
// Calls as aligned lines for people: `run` in a terminal, `tail` and `calls` share it. Pure.
// Text off the wire is cut to its column and fit to be shown (base/terminal.h). A narrow terminal
// gets fewer columns; a line is only longer than it where an error's name is.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "userspace/base/call_summary.h"

namespace llmtap {

struct TableStyle {
  bool color = false;
  bool date = false;          // show the day as well
  bool utc = false;           // else local time
  std::size_t columns = 120;  // of the terminal; the model takes what is left
};

// Both without a trailing newline.
std::string table_header(const TableStyle& style);
std::string table_line(const CallSummary& call, const TableStyle& style);

// "812 ms", "2.31 s", "1m04s"; "12.3k"; "$0.000339".
std::string format_duration(std::uint64_t ns);
std::string format_count(std::uint64_t count);
std::string format_cost(double usd);

}  // namespace llmtap
