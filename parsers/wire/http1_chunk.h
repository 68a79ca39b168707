// SPDX-License-Identifier: Apache-2.0
//
// The header line of a chunk: chunk-size [ chunk-ext ] CRLF (RFC 9112 section 7.1).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace llmtap {

// `line` without its LF. Absent: no size, or one that no body can have.
std::optional<std::uint64_t> parse_chunk_size(std::string_view line);

// Is `line` (with its LF), followed by `rest`, the header of a chunk? For a search, so stricter:
// CRLF, a sane size, and the chunk's own end, unless that is `trusted` without being seen.
bool plausible_chunk(std::string_view line, std::string_view rest, bool trusted);

// Could `text`, which begins a line and has no LF, become one?
bool maybe_chunk_header(std::string_view text);

}  // namespace llmtap
