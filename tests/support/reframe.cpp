// SPDX-License-Identifier: Apache-2.0
#include "tests/support/reframe.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <utility>

#include "parsers/body/content_coding.h"
#include "tests/support/encode.h"

namespace llmtap::testing {
namespace {

bool describes_framing(const Header& header) {
  for (const char* name : {"content-length", "transfer-encoding", "connection", "keep-alive", "host",
                           "te", "upgrade", "http2-settings", "trailer", "expect"}) {
    if (header.name == name) return true;
  }
  return header.name.empty() || header.name.front() == ':' ||
         header.value.find_first_of("\r\n") != std::string::npos;
}

std::string fields(const Headers& headers) {
  std::string out;
  for (const auto& header : headers) {
    out.append(header.name).append(": ").append(header.value).append("\r\n");
  }
  return out;
}

std::string framed(const std::string& body, std::size_t piece, const Headers& trailers = {}) {
  if (piece == 0) return "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  std::string out = "Transfer-Encoding: chunked\r\n\r\n";
  in_pieces(body, piece, [&](std::string_view data) {
    char size[32];
    std::snprintf(size, sizeof size, "%zx\r\n", data.size());
    out.append(size).append(data).append("\r\n");
  });
  return out + "0\r\n" + fields(trailers) + "\r\n";
}

void put_number(std::string& out, std::uint32_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out += static_cast<char>(value >> shift & 0xff);
  }
}

std::string frame_of(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                     std::string_view payload) {
  std::string out;
  put_number(out, static_cast<std::uint32_t>(payload.size()), 3);
  put_number(out, type, 1);
  put_number(out, flags, 1);
  put_number(out, stream, 4);
  return out.append(payload);
}

// HEADERS, and CONTINUATION where a block is longer than a frame.
std::string head_frames(std::uint32_t stream, std::string_view block, bool ends_stream) {
  constexpr std::size_t kMax = 16384;
  std::string out;
  for (bool first = true; first || !block.empty(); first = false) {
    const std::string_view part = block.substr(0, kMax);
    block.remove_prefix(part.size());
    const std::uint8_t flags = static_cast<std::uint8_t>((block.empty() ? 0x4 : 0) |
                                                         (first && ends_stream ? 0x1 : 0));
    out += frame_of(first ? 0x1 : 0x9, flags, stream, part);
  }
  return out;
}

HpackReference::Fields request_fields(const Plain& plain) {
  HpackReference::Fields fields = {{":method", plain.request.method},
                                   {":scheme", "https"},
                                   {":authority", plain.request.authority},
                                   {":path", plain.request.path}};
  for (const auto& header : plain.request.headers) fields.emplace_back(header.name, header.value);
  return fields;
}

HpackReference::Fields response_fields(const Plain& plain) {
  HpackReference::Fields fields = {{":status", std::to_string(plain.response.status)}};
  for (const auto& header : plain.response.headers) fields.emplace_back(header.name, header.value);
  return fields;
}

// DATA frames of all bodies, in turn.
std::string interleaved(const std::vector<const std::string*>& bodies, std::size_t size,
                        std::uint32_t first_stream, const std::vector<bool>& trailers_follow) {
  std::string out;
  bool more = true;
  for (std::size_t at = 0; more; at += size) {
    more = false;
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      const std::string& body = *bodies[i];
      if (at >= body.size()) continue;
      const bool last = at + size >= body.size();
      out += frame_of(0x0, last && !trailers_follow[i] ? 1 : 0,
                      first_stream + static_cast<std::uint32_t>(2 * i),
                      std::string_view(body).substr(at, size));
      more = more || !last;
    }
  }
  return out;
}

}  // namespace

bool make_transportable(Plain& plain) {
  const auto clean = [](Headers& headers) { headers = headers.without(describes_framing); };
  clean(plain.request.headers);
  clean(plain.response.headers);
  const int status = plain.response.status;
  return status >= 200 && status < 1000 && status != 204 && status != 304 &&
         plain.request.method != "HEAD" && plain.request.method != "CONNECT" &&
         plain.request.path.find(' ') == std::string::npos;
}

std::optional<Plain> recoded(const Plain& plain, Coding coding, std::size_t flush_every) {
  Plain out = plain;
  const auto recode = [&](Headers& headers, std::string& body) {
    ContentCoding before(headers);
    std::string bare;
    const bool undone = before.feed(body, [&](std::string_view part) { bare.append(part); });
    headers = headers.without(
        [](const Header& header) { return header.name == "content-encoding"; });
    if (body.empty()) return true;
    constexpr const char* kNames[] = {"gzip", "deflate", "deflate", "br", "zstd"};
    headers.add("content-encoding", kNames[static_cast<std::size_t>(coding)]);
    body = encode(bare, coding, flush_every);
    return undone && before.ended();
  };
  if (!recode(out.request.headers, out.request_body)) return std::nullopt;
  if (!recode(out.response.headers, out.response_body)) return std::nullopt;
  return out;
}

std::vector<Turn> http1_turns(const Plain& plain, std::size_t piece) {
  const std::string request = plain.request.method + " " + plain.request.path +
                              " HTTP/1.1\r\nHost: " + plain.request.authority + "\r\n" +
                              fields(plain.request.headers) + framed(plain.request_body, piece);
  const std::string response = "HTTP/1.1 " + std::to_string(plain.response.status) + " \r\n" +
                               fields(plain.response.headers) + framed(plain.response_body, piece, plain.trailers);
  return {{Direction::kWrite, request}, {Direction::kRead, response}};
}

std::vector<Turn> http1_socket(const Plain& handshake, const std::vector<Turn>& inside) {
  const std::string upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
  std::vector<Turn> turns = {
      {Direction::kWrite, "GET " + handshake.request.path + " HTTP/1.1\r\nHost: " +
                              handshake.request.authority + "\r\n" + upgrade +
                              fields(handshake.request.headers) + "\r\n"},
      {Direction::kRead, "HTTP/1.1 101 Switching Protocols\r\n" + upgrade +
                             fields(handshake.response.headers) + "\r\n"}};
  turns.insert(turns.end(), inside.begin(), inside.end());
  return turns;
}

std::vector<Turn> Http2Wire::socket(const Plain& handshake, const std::vector<Turn>& inside) {
  auto ask = request_fields(handshake);
  ask[0].second = "CONNECT";
  ask.insert(ask.begin() + 1, {":protocol", "websocket"});
  auto grant = response_fields(handshake);
  grant[0].second = "200";
  std::string up = start_up(), down = start_down();
  const std::uint32_t stream = std::exchange(next_stream_, next_stream_ + 2);
  std::vector<Turn> turns = {
      {Direction::kWrite, up + head_frames(stream, up_.encode(ask), false)},
      {Direction::kRead, down + head_frames(stream, down_.encode(grant), false)}};
  for (const Turn& turn : inside) {
    std::string framed;
    in_pieces(turn.bytes, 16384, [&](std::string_view piece) {
      framed += frame_of(0x0, 0, stream, piece);
    });
    turns.push_back({turn.direction, framed});
  }
  return turns;
}

std::string Http2Wire::start_up() const {
  return next_stream_ != 1 ? "" : "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame_of(0x4, 0, 0, "");
}

std::string Http2Wire::start_down() const {
  return next_stream_ != 1 ? "" : frame_of(0x4, 0, 0, "");
}

std::vector<Turn> Http2Wire::turns(const std::vector<Plain>& exchanges, std::size_t frame) {
  std::string up = start_up(), down = start_down();
  const std::uint32_t first = next_stream_;
  std::vector<const std::string*> requests, responses;
  std::vector<bool> trailers_follow;
  for (const Plain& each : exchanges) {
    trailers_follow.push_back(!each.trailers.empty());
    const bool bare = each.request_body.empty();
    up += head_frames(next_stream_, up_.encode(request_fields(each)), bare);
    down += head_frames(next_stream_, down_.encode(response_fields(each)),
                        each.response_body.empty() && each.trailers.empty());
    requests.push_back(&each.request_body);
    responses.push_back(&each.response_body);
    next_stream_ += 2;
  }
  up += interleaved(requests, frame, first, std::vector<bool>(exchanges.size(), false));
  down += interleaved(responses, frame, first, trailers_follow);
  std::uint32_t stream = first;
  for (const Plain& each : exchanges) {
    HpackReference::Fields trailers;
    for (const auto& header : each.trailers) trailers.emplace_back(header.name, header.value);
    if (!trailers.empty()) down += head_frames(stream, down_.encode(trailers), true);
    stream += 2;
  }
  return {{Direction::kWrite, up}, {Direction::kRead, down}};
}

}  // namespace llmtap::testing
