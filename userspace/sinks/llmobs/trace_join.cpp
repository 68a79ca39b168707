// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/llmobs/trace_join.h"

#include <algorithm>
#include <charconv>

#include "userspace/base/span_ids.h"

namespace llmtap::llmobs {
namespace {

__extension__ typedef unsigned __int128 Uint128;

bool is_decimal(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::uint64_t number(std::string_view text, int base) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, base);
  return value;
}

// A 128-bit decimal as 32 hex digits; what already is hex stays (4.2, last rule).
std::string normal_trace_id(const std::string& wire) {
  const bool hex_already = wire.size() == 32 && (wire.front() == '0' || !is_decimal(wire));
  if (hex_already || !is_decimal(wire)) return wire;
  Uint128 value = 0;
  for (const char c : wire) value = value * 10 + static_cast<Uint128>(c - '0');
  return hex_id(static_cast<std::uint64_t>(value >> 64)) +
         hex_id(static_cast<std::uint64_t>(value));
}

void read_apm(const CallRecord& call, TraceIds& ids) {
  const std::string& parent = call.trace.traceparent;  // 00-<32 hex>-<16 hex>-<flags>
  if (parent.size() >= 55 && parent[2] == '-' && parent[35] == '-') {
    ids.apm_trace_id = parent.substr(3, 32);
    ids.apm_low = number(std::string_view(parent).substr(19, 16), 16);
  } else if (is_decimal(call.trace.datadog_trace_id)) {
    ids.apm_low = number(call.trace.datadog_trace_id, 10);
    const std::string high = propagated(call, "tid");
    ids.apm_trace_id = high.size() == 16 ? high + hex_id(ids.apm_low) : call.trace.datadog_trace_id;
  }
}

}  // namespace

std::string propagated(const CallRecord& call, std::string_view key) {
  return llmtap::propagated(call.trace, key);
}

TraceIds join_trace(const CallRecord& call) {
  TraceIds ids;
  read_apm(call, ids);
  ids.span_id = std::to_string(derived_id(call, "span"));
  const std::string parent = propagated(call, "llmobs_parent_id");
  const std::string trace = propagated(call, "llmobs_trace_id");
  if (is_decimal(parent)) {
    ids.parent_id = parent;
    ids.trace_id = !trace.empty() ? normal_trace_id(trace) : normal_trace_id(ids.apm_trace_id);
  } else {
    ids.parent_id = "undefined";
  }
  if (ids.trace_id.empty()) ids.trace_id = derived_trace_id(call);
  if (ids.apm_trace_id.empty()) {
    ids.apm_trace_id = ids.trace_id;
    ids.apm_low = number(
        std::string_view(ids.trace_id).substr(std::min<std::size_t>(16, ids.trace_id.size())), 16);
  }
  ids.ml_app = propagated(call, "llmobs_ml_app");
  ids.session_id = propagated(call, "llmobs_sid");
  ids.sample_rate = propagated(call, "llmobs_sr");
  ids.sampling_decision = propagated(call, "llmobs_sd");
  return ids;
}

}  // namespace llmtap::llmobs
