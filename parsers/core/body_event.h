// SPDX-License-Identifier: Apache-2.0
//
// The unit that providers see: one SSE event, one JSON line, one WebSocket message, one AWS
// event-stream frame, one element of a growing JSON array, one form field, or one whole body.
#pragma once

#include <string_view>

#include "parsers/core/chunk.h"

namespace llmtap {

// Views are valid during the call that hands the event over.
struct BodyEvent {
  TimeNs ts_ns = 0;        // when its last byte was there
  std::string_view name;   // SSE `event:`, AWS `:event-type`/`:exception-type`, form field name; or empty
  std::string_view data;   // decoded payload
  bool exception = false;  // AWS `:message-type: exception`
  bool after_gap = false;  // bytes were lost between the previous event and this one
};

}  // namespace llmtap
