// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/sampling.h"

#include <cstdint>
#include <string_view>

#include "userspace/base/call_summary.h"
#include "userspace/store/filter_match.h"

namespace llmtap {
namespace {

// FNV-1a, then a finalizer (splitmix64): neighbouring ids must not be neighbours.
std::uint64_t hash(std::string_view text) {
  std::uint64_t value = 0xcbf29ce484222325ULL;
  for (const char c : text) {
    value ^= static_cast<unsigned char>(c);
    value *= 0x100000001b3ULL;
  }
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ value >> 27) * 0x94d049bb133111ebULL;
  return value ^ value >> 31;
}

// 00-<32 hex>-<16 hex>-<flags> (W3C trace context 3.2).
std::string_view trace_id(const TraceContext& trace) {
  constexpr std::size_t kAt = 3;
  constexpr std::size_t kLength = 32;
  const std::string_view parent = trace.traceparent;
  if (parent.size() > kAt + kLength) return parent.substr(kAt, kLength);
  return trace.datadog_trace_id;
}

}  // namespace

double sampling_point(const CallRecord& call) {
  const auto trace = trace_id(call.trace);
  return static_cast<double>(hash(trace.empty() ? std::string_view(call.id) : trace) >> 11) *
         0x1p-53;
}

bool sampled(const std::vector<SamplingRule>& rules, const CallRecord& call) {
  if (rules.empty() || !error_class(call).empty()) return true;
  const auto summary = summarize(call);
  for (const auto& rule : rules) {
    if (matches(rule.when, call, summary)) return sampling_point(call) < rule.rate;
  }
  return true;
}

}  // namespace llmtap
