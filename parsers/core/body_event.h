// SPDX-License-Identifier: Apache-2.0
//
// The unit that providers see: one SSE event, one JSON line, one WebSocket message, one AWS
// event-stream frame, one element of a growing JSON array, one form field, or one whole body.
#pragma once

#include <cstdint>
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
  // Bytes that were counted and not kept: the content of a form's file, a media body. `data` is
  // empty then.
  std::uint64_t skipped = 0;
  std::string_view file_name;   // form-data: present for files
  std::string_view media_type;  // form-data part or media body: its Content-Type
};

}  // namespace llmtap
