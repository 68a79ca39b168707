// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "userspace/sinks/llmobs/llmobs_encode.h"

namespace llmtap::llmobs {

TEST_CASE("llmobs: raw blocks of any form and depth do no harm", "[unit]") {
  constexpr std::size_t kDeep = 500'000;
  const std::string deep = std::string(kDeep, '[') + std::string(kDeep, ']');
  const std::string raws[] = {"",
                              "1",
                              "null",
                              "[]",
                              "[1,\"x\",[]]",
                              R"([{"type":5,"text":6,"json":7}])",
                              "{}",
                              "no JSON",
                              R"({"type":[],"role":1,"content":[1,{}]})",
                              deep};
  for (const auto* dialect : {"openai_chat", "openai_responses", "anthropic_messages", "gemini",
                              "bedrock_converse", "bedrock_agent", "cohere_chat", "ollama_chat"}) {
    for (const auto& raw : raws) {
      CAPTURE(dialect, raw.substr(0, 40));
      CallRecord call;
      call.provider = "openai";
      call.model_served = "m";
      call.dialect = dialect;
      if (std::string_view(dialect).starts_with("anthropic")) call.provider = "anthropic";
      for (const auto kind : {PartKind::kText, PartKind::kReasoning, PartKind::kToolCall,
                              PartKind::kToolResult, PartKind::kImage, PartKind::kOther}) {
        Part part;
        part.kind = kind;
        part.wire_type = "x";
        part.text = part.raw = part.arguments = raw;
        call.input.push_back({"user", {part}, {}, ""});
        call.output.push_back({"assistant", {part}, {}, ""});
      }
      call.tools.push_back({"f", "", raw, "function", false});
      call.params = {{"prompt", raw}, {"tools", raw}, {"instructions", raw}};
      call.vendor = {{"instructions", raw}, {"trace", raw}};
      std::size_t bytes = 0;
      REQUIRE_NOTHROW([&] {
        for (const auto& event : encode_events(call, {})) bytes += event_json(event).size();
      }());
      CHECK(bytes > 0);
    }
  }
}

}  // namespace llmtap::llmobs
