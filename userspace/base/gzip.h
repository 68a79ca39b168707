// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace llmtap {

// One gzip member (RFC 1952). Empty if zlib has no memory left.
std::string gzip(std::string_view bytes);

}  // namespace llmtap
