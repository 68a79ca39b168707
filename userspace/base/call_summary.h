// SPDX-License-Identifier: Apache-2.0
//
// The one-line view of a call: what lists, tables and live lines show. Everything that shows or
// stores a call's key figures takes them from here, so that all places agree.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "parsers/core/call_record.h"

namespace llmtap {

// Absent is absent, as in CallRecord. Times are Unix ns, durations ns.
struct CallSummary {
  TimeNs start_ns = 0;
  std::uint64_t duration_ns = 0;         // first request byte to last byte
  std::optional<std::uint64_t> ttft_ns;  // first request byte to first content token
  std::string service;
  std::string process;  // base name of the executable
  std::uint32_t pid = 0;
  std::string provider;
  std::string dialect;
  std::string operation;
  std::string model;  // served, else requested, else empty
  std::string model_requested;
  std::string host;
  std::optional<int> http_status;
  std::string error_class;  // empty: no error
  std::string error_type;   // the vendor's word
  std::string finish_reason;
  std::string end;  // name(End)
  std::string session;
  std::string response_id;
  std::string request_id;
  std::optional<std::uint64_t> input_tokens;
  std::optional<std::uint64_t> cache_read_tokens;
  std::optional<std::uint64_t> cache_write_tokens;
  std::optional<std::uint64_t> output_tokens;
  std::optional<std::uint64_t> reasoning_tokens;
  bool tokens_estimated = false;
  std::optional<double> cost_usd;
  bool streamed = false;
  bool partial = false;
  bool server_end = false;

  bool ok() const { return error_class.empty(); }
  bool operator==(const CallSummary&) const = default;
};

CallSummary summarize(const CallRecord& call);

// auth, not_found, rate_limit, quota, overloaded, context_length, content_filter, invalid_request,
// timeout, server_error, cut_stream, cancelled_by_client, transport, other; empty: no error.
std::string_view error_class(const CallRecord& call);

}  // namespace llmtap
