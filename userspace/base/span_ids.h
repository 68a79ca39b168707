// SPDX-License-Identifier: Apache-2.0
//
// Ids of a call's span where the wire gives none. They follow from the record (its id, connection
// and start): the same for every exporter and every resend.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "parsers/core/call_record.h"

namespace llmtap {

std::uint64_t derived_id(const CallRecord& call, std::string_view purpose);  // never 0
std::string derived_trace_id(const CallRecord& call);                        // 32 hex digits
std::string hex_id(std::uint64_t value);                                     // 16 hex digits

}  // namespace llmtap
