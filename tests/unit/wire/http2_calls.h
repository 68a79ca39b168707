// SPDX-License-Identifier: Apache-2.0
//
// Frames by hand, calls for the real peer, and whether what was seen is what was sent.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/wire/http2.h"
#include "tests/unit/wire/http2_log.h"
#include "tests/unit/wire/http2_peer.h"

namespace llmtap::test {

inline constexpr Direction kClient = Direction::kWrite;
inline constexpr Direction kServer = Direction::kRead;

inline std::string frame(std::string_view payload, int type, int flags, std::uint32_t stream) {
  std::string out;
  for (const int shift : {16, 8, 0}) out.push_back(static_cast<char>(payload.size() >> shift));
  out.push_back(static_cast<char>(type));
  out.push_back(static_cast<char>(flags));
  for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<char>(stream >> shift));
  return out.append(payload);
}

inline std::string settings() { return frame("", 4, 0, 0); }
inline std::string data(std::string_view bytes, std::uint32_t stream, bool end = false) {
  return frame(bytes, 0, end ? 1 : 0, stream);
}
// ":method: POST", ":scheme: https", ":path: /v1", from the static table and a literal.
inline const std::string kPost = "\x83\x87\x04\x03/v1";
inline const std::string kOk = "\x88";  // ":status: 200"
inline std::string request(std::uint32_t stream, bool end = false) {
  return frame(kPost, 1, end ? 5 : 4, stream);
}
inline std::string response(std::uint32_t stream, bool end = false) {
  return frame(kOk, 1, end ? 5 : 4, stream);
}

inline void feed(Decoder& decoder, ExchangeLog& log, Direction direction, std::string_view bytes,
                 std::size_t size = SIZE_MAX) {
  while (!bytes.empty()) {
    decoder.feed(direction, bytes.substr(0, size), {}, log);
    bytes.remove_prefix(std::min(size, bytes.size()));
  }
}

inline Call make_call(std::size_t i) {
  Call call;
  call.request = {{":method", "POST"},
                  {":scheme", "https"},
                  {":authority", "api.example.com"},
                  {":path", "/v1/messages?n=" + std::to_string(i % 7)},
                  {"content-type", "application/json"},
                  {"x-request-id", "request-" + std::to_string(i)}};
  call.request_body = "{\"n\": " + std::to_string(i) + "}" + std::string(i * 37 % 3000, 'r');
  call.response = {{":status", i % 5 == 4 ? "429" : "200"},
                   {"content-type", "text/event-stream"},
                   {"x-answer-id", "answer-" + std::to_string(i)}};
  for (std::size_t n = 0; n < 20 + i % 11; ++n) {
    call.response_body +=
        "data: {\"call\": " + std::to_string(i) + ", \"n\": " + std::to_string(n) + "}\n\n";
  }
  call.piece = 20 + i * 13 % 90;
  return call;
}

inline std::vector<Call> make_calls(std::size_t count) {
  std::vector<Call> calls;
  for (std::size_t i = 0; i < count; ++i) calls.push_back(make_call(i));
  return calls;
}

inline std::string value(const Fields& fields, const char* name) {
  for (const auto& [n, v] : fields) {
    if (n == name) return v;
  }
  return "";
}

// Empty: `seen` is exactly what was sent.
inline std::string difference(const Call& call, const LoggedExchange& seen) {
  if (!seen.whole()) return "not whole";
  if (seen.request.path != value(call.request, ":path")) return "path";
  if (seen.request.method != value(call.request, ":method")) return "method";
  if (seen.request.authority != value(call.request, ":authority")) return "authority";
  if (find_header(seen.request.headers, "x-request-id") != value(call.request, "x-request-id")) {
    return "request header";
  }
  if (seen.body[0] != call.request_body) return "request body";
  if (!seen.response || std::to_string(seen.response->status) != value(call.response, ":status")) {
    return "status";
  }
  if (find_header(seen.response->headers, "x-answer-id") != value(call.response, "x-answer-id")) {
    return "response header";
  }
  if (seen.body[1] != call.response_body) return "response body";
  if (!seen.finished[0] || !seen.finished[1] || seen.end != End::kComplete) return "end";
  return "";
}

}  // namespace llmtap::test
