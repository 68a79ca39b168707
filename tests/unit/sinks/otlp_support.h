// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "parsers/core/call_record.h"

namespace llmtap::test {

// A streamed chat of one turn with a tool, as the parsers would leave it.
inline CallRecord sample_chat() {
  constexpr TimeNs kStart = 1'764'000'000'000'000'000;
  CallRecord call;
  call.id = "call-1";
  call.provider = "openai";
  call.dialect = "openai_chat";
  call.model_requested = "gpt-4o";
  call.model_served = "gpt-4o-2024-08-06";
  call.streamed = true;
  call.host = "api.openai.com";
  call.http_status = 200;
  call.timing.request_start = kStart;
  call.timing.first_token = kStart + 250'000'000;
  call.timing.end = kStart + 1'500'000'000;
  Part text;
  text.wire_type = "text";
  text.text = "hi";
  Part tool;
  tool.kind = PartKind::kToolCall;
  tool.tool_id = "t1";
  tool.tool_name = "weather";
  tool.arguments = R"({"city":"Paris"})";
  call.input = {{"system", {text}, {}, ""}, {"user", {text}, {}, ""}};
  call.output = {{"assistant", {text, tool}, "tool_calls", ""}};
  call.tools = {{"weather", "Tells it", R"({"type":"object"})", "function"}};
  call.params = {{"temperature", "0.5"}, {"max_tokens", "64"}, {"stop", R"(["a","b"])"}};
  call.usage.input_uncached = 6;
  call.usage.cache_read = 2;
  call.usage.output_visible = 3;
  call.usage.reasoning = 4;
  call.finish_reason = "tool_calls";
  call.response_id = "chatcmpl-1";
  call.process.pid = 42;
  call.process.exe = "/usr/bin/python3";
  call.process.service = "shop";
  call.process.language = "python";
  call.process.container_id = "c0ffee";
  return call;
}

}  // namespace llmtap::test
