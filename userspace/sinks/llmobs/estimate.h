// SPDX-License-Identifier: Apache-2.0
//
// Tokens of a stream that carried no usage, by the SDK's own formula (datadog-llmobs 5.1.6, D2).
// Used only where the record has neither the provider's numbers nor an estimate of enrichment.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "parsers/core/call_record.h"

namespace llmtap::llmobs {

struct TokenEstimate {
  std::uint64_t input = 0;
  std::uint64_t output = 0;
};

// Absent unless the call is a stream that ended well without any usage.
std::optional<TokenEstimate> estimate_tokens(const CallRecord& call);

// round((1.5 * len / 4 + 0.5 * 0.75 * words) / 2), half to even; `text` is UTF-8.
std::uint64_t estimate_text(std::string_view text);

}  // namespace llmtap::llmobs
