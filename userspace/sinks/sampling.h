// SPDX-License-Identifier: Apache-2.0
//
// Which calls a destination gets where not all are wanted. Deterministic: the calls of one trace
// stay together, and every daemon decides alike. Errors are always kept.
#pragma once

#include <vector>

#include "parsers/core/call_record.h"
#include "userspace/store/filter.h"

namespace llmtap {

struct SamplingRule {
  Filter when;      // empty: every call
  double rate = 1;  // 0..1 of the calls
};

// The first rule that fits a call decides; without one it is kept.
bool sampled(const std::vector<SamplingRule>& rules, const CallRecord& call);

// Where a call stands in [0, 1): by the propagated trace id, else by its own id.
double sampling_point(const CallRecord& call);

}  // namespace llmtap
