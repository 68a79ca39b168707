// SPDX-License-Identifier: Apache-2.0
//
// What secrets look like. One pass, no backtracking: each question is asked at one position and
// looks ahead by a bounded number of bytes.
#pragma once

#include <cstddef>
#include <string_view>

namespace llmtap {

// A find at a position: `skip` bytes stay (a field's name), then `length` bytes are masked.
struct Find {
  std::size_t skip = 0;
  std::size_t length = 0;  // 0: nothing found
  std::string_view kind;
};

// Is there a secret that starts at text[at]? Keys by their vendor's prefix, AWS keys, JWTs, PEM
// private keys; bearer and basic credentials, cookies, named fields, parameters and user info of
// URLs.
Find find_secret(std::string_view text, std::size_t at);

}  // namespace llmtap
