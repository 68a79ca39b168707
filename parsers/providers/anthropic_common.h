// SPDX-License-Identifier: Apache-2.0
//
// Readers and the parser for the shape of Anthropic's messages, which also travels through Vertex
// (rawPredict) and Bedrock (InvokeModel) with other envelopes.
#pragma once

#include <map>

#include "parsers/providers/provider.h"

namespace llmtap {

// A string or a list of blocks, appended to `message`.
void read_anthropic_content(const Json& content, Message& message);
Part read_anthropic_block(const Json& block);
void read_anthropic_tools(const Json& tools, CallRecord& call);
// Only what `usage` has is overwritten: streams send it in two pieces.
void apply_anthropic_usage(const Json& usage, CallRecord& call);
void apply_anthropic_error(const BodyEvent& event, const Json& json, CallRecord& call);
// metadata.user_id; agent CLIs put their session into it.
void read_anthropic_identity(const Json& metadata, CallRecord& call);

class AnthropicParser : public CallParser {
 public:
  void request(const RequestHead& head, const RequestBody& body, CallRecord& call) override;
  Step event(const BodyEvent& event, const Json& json, CallRecord& call) override;
  void finish(CallRecord& call) override;

 private:
  void start(const Json& message, CallRecord& call);
  Part* block(const Json& index, CallRecord& call);
  void begin_block(const Json& json, CallRecord& call);
  void delta(const Json& json, TimeNs ts_ns, CallRecord& call);

  std::map<std::int64_t, std::size_t> blocks_;  // content block index → part
};

}  // namespace llmtap
