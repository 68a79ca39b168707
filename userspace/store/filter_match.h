// SPDX-License-Identifier: Apache-2.0
//
// The filter language over a call in memory, for sampling and evaluation rules: the same meaning as
// over stored rows (filter_sql.h), but that full text does not fold accents.
#pragma once

#include "parsers/core/call_record.h"
#include "userspace/base/call_summary.h"
#include "userspace/store/filter.h"

namespace llmtap {

// `summary` is summarize(call). Pure; texts are read only for terms that search.
bool matches(const Filter& filter, const CallRecord& call, const CallSummary& summary);

}  // namespace llmtap
