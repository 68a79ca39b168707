// SPDX-License-Identifier: Apache-2.0
//
// One chat call for tests of the fold: heads and bodies, whole, streamed and compressed.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "tests/unit/assembly/fold_support.h"

namespace llmtap::testing {

inline constexpr std::string_view kRequest =
    R"({"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}],"temperature":0.5})";
inline constexpr std::string_view kAnswer =
    R"({"id":"chatcmpl-1","object":"chat.completion","model":"gpt-4o-2024","choices":[{"index":0,)"
    R"("message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],)"
    R"("usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}})";
inline constexpr std::string_view kStream =
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o-2024\",\"choices\":"
    "[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n"
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":"
    "{\"content\":\"Hel\"},\"finish_reason\":null}]}\n\n"
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":"
    "{\"content\":\"lo\"},\"finish_reason\":null}]}\n\n"
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{},"
    "\"finish_reason\":\"stop\"}]}\n\n"
    "data: [DONE]\n\n";

inline Headers client_headers() {
  return {{"host", "api.openai.com"},
          {"authorization", "Bearer sk-secret"},
          {"user-agent", "OpenAI/Python 1.99.1"},
          {"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
          {"x-datadog-trace-id", "123"},
          {"cookie", "a=b"}};
}

inline Interaction chat(ResponseHead response, std::string_view body) {
  Interaction interaction;
  interaction.request = post("API.openai.com:443", "/v1/chat/completions?key=s&a=1", client_headers());
  interaction.request_body = kRequest;
  interaction.response = std::move(response);
  interaction.response_body = body;
  return interaction;
}

inline std::string text_of(const CallRecord& call) {
  std::string text;
  for (const auto& message : call.output) {
    for (const auto& part : message.parts) text += part.text;
  }
  return text;
}

// The request of an openai chat call, whole, at stamps 100-110.
inline CallFold asked(FoldBench& bench, Direction direction = Direction::kWrite) {
  CallFold fold = bench.fold();
  fold.request(post("api.openai.com", "/v1/chat/completions", client_headers()), direction, at(100, 105));
  fold.body(Side::kRequest, kRequest, at(100, 105));
  fold.finish(Side::kRequest, at(106, 110));
  return fold;
}

}  // namespace llmtap::testing
