// SPDX-License-Identifier: Apache-2.0
//
// The chat completions parser, for dialects that are the same on the wire but for their place
// (Mistral, Bedrock's OpenAI-style models, ...).
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "parsers/providers/provider.h"

namespace llmtap {

// Puts a streamed answer together, choice by choice, inside the record: an abandoned stream keeps
// what was seen.
class ChatStream {
 public:
  void delta(const Json& choice, TimeNs ts_ns, CallRecord& call);
  // Orders the parts of each message as in a whole answer.
  void finish(CallRecord& call);

 private:
  struct Choice {
    std::size_t message = 0;  // in call.output
    std::map<PartKind, std::size_t> parts;
    // tool_calls[].index → parts. More than one: some servers number every call 0.
    std::map<std::int64_t, std::vector<std::size_t>> tools;
    std::size_t last_tool = 0;  // the part that was last begun
    std::size_t tool_count = 0;
  };
  Choice& choice(std::int64_t index, CallRecord& call);
  Part& part(Choice& choice, PartKind kind, CallRecord& call);
  bool tool_deltas(Choice& choice, const Json& delta, CallRecord& call);
  void tool_delta(Choice& choice, const Json& piece, std::vector<Part>& parts);

  std::map<std::int64_t, Choice> choices_;
};

class ChatParser : public CallParser {
 public:
  void request(const RequestHead& head, const RequestBody& body, CallRecord& call) override;
  Step event(const BodyEvent& event, const Json& json, CallRecord& call) override;
  void finish(CallRecord& call) override;

 private:
  void whole(const Json& json, CallRecord& call);

  ChatStream stream_;
};

}  // namespace llmtap
