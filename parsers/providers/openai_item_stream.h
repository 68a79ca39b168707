// SPDX-License-Identifier: Apache-2.0
//
// Puts a streamed list of items together inside the record, so that an abandoned stream keeps what
// was seen. The events are the same in the Responses and the Realtime API.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string_view>

#include "parsers/core/call_record.h"
#include "parsers/core/json.h"

namespace llmtap {

class ItemStream {
 public:
  // `type` is the event's name without "response.": output_item.added, output_text.delta, ...
  // Marks the record's tokens. Other events are left alone.
  void event(std::string_view type, const Json& event, TimeNs ts_ns, CallRecord& call);
  // The answer as a whole has come: it replaces what was put together, if it has any output.
  void replace(const Json& output, CallRecord& call);

 private:
  void item(const Json& event, CallRecord& call);
  bool delta(std::string_view type, const Json& event, CallRecord& call);
  Message& message(const Json& event, CallRecord& call);

  std::map<std::int64_t, std::size_t> items_;  // output_index → call.output
};

}  // namespace llmtap
