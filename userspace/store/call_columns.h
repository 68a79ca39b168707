// SPDX-License-Identifier: Apache-2.0
//
// A call's figures as the store's columns have them: microseconds, USD * 1e9, flags of schema.h.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>

#include "userspace/base/call_summary.h"
#include "userspace/store/schema.h"

namespace llmtap {

inline std::int64_t to_us(std::uint64_t ns) { return static_cast<std::int64_t>(ns / 1000); }

// Figures come off the wire: more tokens or dollars are nonsense, and sums of them would overflow.
inline constexpr std::uint64_t kMostTokens = 1'000'000'000'000;
inline constexpr double kMostUsd = 1e6;

inline std::optional<std::int64_t> count(const std::optional<std::uint64_t>& tokens) {
  if (!tokens) return std::nullopt;
  return static_cast<std::int64_t>(std::min(*tokens, kMostTokens));
}

inline std::optional<std::int64_t> cost_nano(const CallSummary& call) {
  if (!call.cost_usd || std::isnan(*call.cost_usd)) return std::nullopt;
  return std::llround(std::clamp(*call.cost_usd, -kMostUsd, kMostUsd) * 1e9);
}

inline std::int64_t flags_of(const CallSummary& call) {
  return (call.streamed ? kFlagStreamed : 0) | (call.partial ? kFlagPartial : 0) |
         (call.server_end ? kFlagServerEnd : 0) | (call.tokens_estimated ? kFlagEstimated : 0);
}

}  // namespace llmtap
