// SPDX-License-Identifier: Apache-2.0
//
// UTF-8 (RFC 3629, section 4) in texts that may be anything.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace llmtap {

struct CodePoint {
  char32_t value = 0;
  std::size_t length = 0;  // bytes; 0: `text` does not begin with one
};

// The code point at the front of `text`, which is not empty.
CodePoint front_code_point(std::string_view text);

// `text` with `instead` for each byte that belongs to none.
std::string valid_utf8(std::string_view text, std::string_view instead = "\xef\xbf\xbd");

}  // namespace llmtap
