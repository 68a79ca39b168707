// SPDX-License-Identifier: Apache-2.0
//
// Credentials are dropped before anything is kept. Names decide first; values that look like a
// credential are dropped under any name.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "parsers/core/exchange.h"

namespace llmtap {

// `name` in lower case.
bool is_secret_header(std::string_view name);
bool is_secret_parameter(std::string_view name);
// A bearer or basic credential, a JSON web token, or a key with a vendor's prefix, anywhere in it.
bool looks_like_credential(std::string_view value);

// What a record keeps: no header that is secret by name or value, none that only browsers, caches
// and the connection need, and none that it holds in another form (sdk, rate_limits). Bounded: kMaxHeaders of at most kMaxHeaderValue bytes.
Headers kept_headers(const Headers& headers);
inline constexpr std::size_t kMaxHeaders = 100;
inline constexpr std::size_t kMaxHeaderValue = 4096;
// `path` with query; values of secret parameters become "***".
std::string mask_query(std::string_view path);

}  // namespace llmtap
