// SPDX-License-Identifier: Apache-2.0
//
// The host that a TLS connection is for, from its ClientHello (RFC 8446 section 4.1.2; the
// extension server_name: RFC 6066 section 3). The bytes are another process's: hostile, and maybe
// cut short.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace llmtap {

// `record` begins with a TLS record's header. Lower case; nothing when there is none, when it is
// malformed or beyond the bytes at hand.
std::optional<std::string> server_name(std::string_view record);

}  // namespace llmtap
