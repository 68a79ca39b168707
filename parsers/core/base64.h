// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace llmtap {

// RFC 4648 4 and 5 (standard and URL alphabets), padding optional. Absent if `text` is neither.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace llmtap
