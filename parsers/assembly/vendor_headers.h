// SPDX-License-Identifier: Apache-2.0
//
// Headers that mean something whatever the dialect: the calling library, propagated traces,
// request ids, rate limits of every vendor family in one form.
#pragma once

#include <optional>
#include <string_view>

#include "parsers/core/call_record.h"

namespace llmtap {

// user-agent, x-stainless-*, x-goog-api-client, x-amz-user-agent.
Sdk read_sdk(const Headers& request);
TraceContext read_trace(const Headers& request);

// The vendor's id of this request; "" if none is given.
std::string read_request_id(const Headers& response);
// `now_ns` is when the response began: absolute resets become relative to it.
std::vector<RateLimit> read_rate_limits(const Headers& response, TimeNs now_ns);
// Seconds; retry-after-ms wins. Present on good answers too: it says nothing about an error.
std::optional<double> read_retry_after(const Headers& response, TimeNs now_ns);

// What a gateway says the call has cost (LiteLLM's x-litellm-response-cost); its 0 of a model whose
// price it does not know is absent.
std::optional<Cost> read_reported_cost(const Headers& response);

// "2ms", "17.4s", "1m3s", "6h0m0s", or a bare number of seconds.
std::optional<double> parse_duration(std::string_view text);
// RFC 3339, or an HTTP date (RFC 9110 5.6.7, the preferred form): seconds since 1970.
std::optional<double> parse_time(std::string_view text);

}  // namespace llmtap
