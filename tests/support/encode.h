// SPDX-License-Identifier: Apache-2.0
//
// Content codings as a server applies them. `flush_every` > 0: what was written is flushed behind
// that many bytes each, as servers do that stream.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "parsers/core/inflate.h"

namespace llmtap::testing {

// kDeflate is zlib's format, kRawDeflate bare RFC 1951.
std::string encode(std::string_view text, Coding coding, std::size_t flush_every = 0);

}  // namespace llmtap::testing
