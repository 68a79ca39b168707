// SPDX-License-Identifier: Apache-2.0
//
// HTTP/1 message heads: RFC 9112 sections 2 to 6, read leniently (bare LF, obs-fold, blanks before
// a colon), because a passive observer sees what real peers accept.
#pragma once

#include <cstdint>
#include <string_view>

#include "parsers/core/exchange.h"

namespace llmtap {

inline constexpr std::size_t kMaxHttp1Headers = 256;  // further ones are dropped, head.partial is set

// What a piece of text that begins a line could be.
enum class StartLine : std::uint8_t { kNo, kMaybe, kRequest, kResponse };

// kMaybe: too short to tell. `text` may go on behind the line.
StartLine classify_start_line(std::string_view text);

// `name ":" value`, or a folded continuation: is this line part of a head?
bool is_field_line(std::string_view line);

// `text` is a head up to its blank line, or a prefix of one that ends with a line (then the caller
// sets `partial`). False if the start line is not one.
bool parse_request_head(std::string_view text, RequestHead& head);
bool parse_response_head(std::string_view text, ResponseHead& head);

// Trailer fields: `text` up to the blank line.
void parse_trailers(std::string_view text, Headers& trailers);

// How the body behind a head is delimited (RFC 9112 section 6.3).
struct BodyFraming {
  enum class Kind : std::uint8_t { kNone, kSized, kChunked, kUntilClose, kBroken };
  Kind kind = Kind::kNone;
  std::uint64_t length = 0;  // kSized

  bool operator==(const BodyFraming&) const = default;
};
BodyFraming request_framing(const Headers& headers);
// Without regard to the request; the caller knows about HEAD and CONNECT.
BodyFraming response_framing(int status, const Headers& headers);

// Does the comma-separated list of any header `name` hold `token` (case-insensitive)?
bool has_token(const Headers& headers, std::string_view name, std::string_view token);

}  // namespace llmtap
