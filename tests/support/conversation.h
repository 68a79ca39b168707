// SPDX-License-Identifier: Apache-2.0
//
// Small LLM conversations as bytes on an HTTP/1 connection.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

namespace llmtap::testing {

inline std::string chat_body(std::string_view prompt, bool stream = false) {
  return R"({"model":"gpt-4o","stream":)" + std::string(stream ? "true" : "false") +
         R"(,"messages":[{"role":"user","content":")" + std::string(prompt) + R"("}]})";
}

inline std::string chat_request(std::string_view prompt, bool stream = false,
                                std::string_view extra_headers = "") {
  const std::string body = chat_body(prompt, stream);
  return "POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n"
         "Content-Type: application/json\r\n" + std::string(extra_headers) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

inline std::string chat_answer_body(std::string_view id, std::string_view text) {
  return R"({"id":")" + std::string(id) +
         R"(","object":"chat.completion","model":"gpt-4o-2024-08-06","choices":[{"index":0,)"
         R"("message":{"role":"assistant","content":")" + std::string(text) +
         R"("},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":7,)"
         R"("total_tokens":12}})";
}

inline std::string sized_response(std::string_view body) {
  return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

inline std::string chat_response(std::string_view id, std::string_view text) {
  return sized_response(chat_answer_body(id, text));
}

inline std::string http_chunk(std::string_view data) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx\r\n", data.size());
  return size + std::string(data) + "\r\n";
}

inline std::string stream_head() {
  return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
}

inline std::string stream_event(std::string_view id, std::string_view text) {
  return http_chunk("data: {\"id\":\"" + std::string(id) +
                    "\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o-2024-08-06\","
                    "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" + std::string(text) +
                    "\"},\"finish_reason\":null}]}\n\n");
}

inline std::string stream_end(std::string_view id) {
  return http_chunk("data: {\"id\":\"" + std::string(id) +
                    "\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o-2024-08-06\","
                    "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n") +
         http_chunk("data: [DONE]\n\n") + "0\r\n\r\n";
}

}  // namespace llmtap::testing
