// SPDX-License-Identifier: Apache-2.0
//
// Reads a file, plain or gzip, whole or line by line.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "parsers/core/result.h"

namespace llmtap {

// Lines without their end; empty ones are left out. The view lives during the call.
Status for_each_line(const std::string& path, const std::function<void(std::string_view)>& line);

Result<std::string> read_whole(const std::string& path);

}  // namespace llmtap
