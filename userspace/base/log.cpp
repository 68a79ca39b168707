// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/log.h"

#include <unistd.h>

#include <cstdlib>
#include <string>

#include "userspace/base/terminal.h"

namespace llmtap {
namespace {

void write_line(int priority, std::string_view label, std::string_view message) {
  std::string line;
  line.reserve(message.size() + 32);
  if (std::getenv("JOURNAL_STREAM") != nullptr) {
    line += '<';
    line += static_cast<char>('0' + priority);
    line += '>';
  }
  line += "llmtap: ";
  line += label;
  line += printable(message);  // names of files and answers of peers are in it
  line += '\n';
  // Nothing sensible is left to do if stderr is gone.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace

void log_info(std::string_view message) { write_line(6, "", message); }
void log_warning(std::string_view message) { write_line(4, "warning: ", message); }
void log_error(std::string_view message) { write_line(3, "error: ", message); }

}  // namespace llmtap
