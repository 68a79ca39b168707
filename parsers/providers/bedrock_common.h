// SPDX-License-Identifier: Apache-2.0
//
// What the endpoints of Amazon Bedrock share: the model in the path, the Converse message shape
// (also Nova's native one), token counts, exceptions.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "parsers/core/call_record.h"
#include "parsers/core/exchange.h"
#include "parsers/core/json.h"
#include "parsers/providers/provider.h"

namespace llmtap {

// /model/{id}/{action}; the id may be a percent-encoded ARN. Absent for other paths.
struct BedrockTarget {
  std::string model;
  std::string_view action;  // "converse", "invoke-with-response-stream", ...
};
std::optional<BedrockTarget> bedrock_target(std::string_view path);

// A block of a Converse message. Blocks without a neutral meaning: kOther, wire_type = its key.
Part read_converse_block(const Json& block);
Message read_converse_message(const Json& message);
// system, messages, toolConfig and inferenceConfig of a Converse-shaped request.
void read_converse_request(const Json& body, CallRecord& call);
// Input tokens leave out cache reads and writes.
void read_converse_usage(const Json& usage, CallRecord& call);

// An event-stream exception: its type is the event's name.
void apply_bedrock_exception(const BodyEvent& event, const Json& json, CallRecord& call);

// The answer of Converse, ConverseStream and Nova, event by event.
class ConverseFold {
 public:
  // `name`: messageStart, contentBlockStart, contentBlockDelta, messageStop, metadata.
  void event(std::string_view name, const Json& json, TimeNs ts_ns, CallRecord& call);
  // {"output": {"message"}, "stopReason", "usage"}.
  void whole(const Json& json, CallRecord& call);

 private:
  Part& part(const Json& index, PartKind kind, CallRecord& call);
  void delta(const Json& json, TimeNs ts_ns, CallRecord& call);

  std::map<std::int64_t, std::size_t> blocks_;  // contentBlockIndex → part of the last message
};

}  // namespace llmtap
