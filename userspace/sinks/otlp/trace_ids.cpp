// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/otlp/trace_ids.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "userspace/base/span_ids.h"

namespace llmtap::otlp {
namespace {

constexpr std::uint32_t kRemoteParent = 0x300;  // SpanFlags: known, and remote

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_id(std::string_view text) {
  return is_hex(text) && text.find_first_not_of('0') != std::string_view::npos;
}

// version-trace_id-parent_id-flags (W3C Trace Context 3.2); later versions may append.
bool read_traceparent(const TraceContext& context, TraceIds& ids) {
  const std::string_view text = context.traceparent;
  if (text.size() < 55 || text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
  const auto version = text.substr(0, 2), flags = text.substr(53, 2);
  if (!is_hex(version) || version == "ff" || !is_hex(flags)) return false;
  if (!is_id(text.substr(3, 32)) || !is_id(text.substr(36, 16))) return false;
  if (text.size() > 55 && (version == "00" || text[55] != '-')) return false;
  ids.trace_id = text.substr(3, 32);
  ids.parent_span_id = text.substr(36, 16);
  ids.trace_state = context.tracestate;
  std::uint32_t bits = 0;
  std::from_chars(flags.data(), flags.data() + flags.size(), bits, 16);
  ids.flags = bits | kRemoteParent;
  return true;
}

std::uint64_t decimal(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? value : 0;
}

// x-datadog-trace-id is the low half of the trace id, _dd.p.tid the high half in hex.
bool read_datadog(const TraceContext& context, TraceIds& ids) {
  const auto low = decimal(context.datadog_trace_id), parent = decimal(context.datadog_parent_id);
  if (low == 0 || parent == 0) return false;
  const std::string high = propagated(context, "tid");
  const bool known = high.size() == 16 && is_hex(high);
  ids.trace_id = (known ? high : std::string(16, '0')) + hex_id(low);
  ids.parent_span_id = hex_id(parent);
  ids.flags = kRemoteParent;
  return true;
}

}  // namespace

TraceIds trace_ids(const CallRecord& call) {
  TraceIds ids;
  ids.span_id = hex_id(derived_id(call, "span"));
  if (!read_traceparent(call.trace, ids) && !read_datadog(call.trace, ids))
    ids.trace_id = derived_trace_id(call);
  return ids;
}

}  // namespace llmtap::otlp
