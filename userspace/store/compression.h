// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace llmtap {

// zstd, and back; expand() gives "" for bytes that are none.
std::string compress(std::string_view text);
std::string expand(std::string_view bytes);

}  // namespace llmtap
