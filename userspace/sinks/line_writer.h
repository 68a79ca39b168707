// SPDX-License-Identifier: Apache-2.0
//
// Writers that put one line per call into a file descriptor: JSON lines and the terminal.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "parsers/core/result.h"
#include "userspace/sinks/queued_sink.h"

namespace llmtap {

// One line without its newline; absent: nothing to say about this call.
using FormatLine = std::function<std::optional<std::string>(const CallRecord&)>;

// Appends to `path` (created 0600), or writes to stdout for "-".
Result<std::unique_ptr<RecordWriter>> open_line_writer(std::string name, const std::string& path,
                                                       FormatLine format);

// Aligned lines on stdout under a header, which comes with the first call.
std::unique_ptr<RecordWriter> make_terminal_writer();

}  // namespace llmtap
