// SPDX-License-Identifier: Apache-2.0
#include "tests/support/reframe.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string_view>

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
  for (const auto& header : headers) out += header.name + ": " + header.value + "\r\n";
  return out;
}

std::string framed(const std::string& body, std::size_t piece) {
  if (piece == 0) return "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  std::string out = "Transfer-Encoding: chunked\r\n\r\n";
  in_pieces(body, piece, [&](std::string_view data) {
    char size[32];
    std::snprintf(size, sizeof size, "%zx\r\n", data.size());
    out.append(size).append(data).append("\r\n");
  });
  return out + "0\r\n\r\n";
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

// RFC 7541 5.1, 7-bit prefix, no Huffman.
void put_text(std::string& out, std::string_view text) {
  std::size_t rest = text.size();
  if (rest < 127) {
    out += static_cast<char>(rest);
  } else {
    out += '\x7f';
    for (rest -= 127; rest >= 128; rest >>= 7) out += static_cast<char>(rest % 128 | 128);
    out += static_cast<char>(rest);
  }
  out.append(text);
}

void put_field(std::string& out, std::string_view name, std::string_view value) {
  out += '\0';  // literal without indexing, new name
  put_text(out, name);
  put_text(out, value);
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

std::string request_head(const Plain& plain, std::uint32_t stream) {
  std::string block;
  put_field(block, ":method", plain.request.method);
  put_field(block, ":scheme", "https");
  put_field(block, ":authority", plain.request.authority);
  put_field(block, ":path", plain.request.path);
  for (const auto& header : plain.request.headers) put_field(block, header.name, header.value);
  return head_frames(stream, block, plain.request_body.empty());
}

std::string response_head(const Plain& plain, std::uint32_t stream) {
  std::string block;
  put_field(block, ":status", std::to_string(plain.response.status));
  for (const auto& header : plain.response.headers) put_field(block, header.name, header.value);
  return head_frames(stream, block, plain.response_body.empty());
}

// DATA frames of all bodies, in turn.
std::string interleaved(const std::vector<const std::string*>& bodies, std::size_t size) {
  std::string out;
  bool more = true;
  for (std::size_t at = 0; more; at += size) {
    more = false;
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      const std::string& body = *bodies[i];
      if (at >= body.size()) continue;
      const bool last = at + size >= body.size();
      out += frame_of(0x0, last ? 1 : 0, static_cast<std::uint32_t>(2 * i + 1),
                      std::string_view(body).substr(at, size));
      more = more || !last;
    }
  }
  return out;
}

}  // namespace

bool make_transportable(Plain& plain) {
  const auto clean = [](Headers& headers) { std::erase_if(headers, describes_framing); };
  clean(plain.request.headers);
  clean(plain.response.headers);
  const int status = plain.response.status;
  return status >= 200 && status < 1000 && status != 204 && status != 304 &&
         plain.request.method != "HEAD" && plain.request.method != "CONNECT" &&
         plain.request.path.find(' ') == std::string::npos;
}

std::vector<Turn> http1_turns(const Plain& plain, std::size_t piece) {
  const std::string request = plain.request.method + " " + plain.request.path +
                              " HTTP/1.1\r\nHost: " + plain.request.authority + "\r\n" +
                              fields(plain.request.headers) + framed(plain.request_body, piece);
  const std::string response = "HTTP/1.1 " + std::to_string(plain.response.status) + " \r\n" +
                               fields(plain.response.headers) + framed(plain.response_body, piece);
  return {{Direction::kWrite, request}, {Direction::kRead, response}};
}

std::vector<Turn> http2_turns(const std::vector<Plain>& exchanges, std::size_t frame) {
  std::string up = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame_of(0x4, 0, 0, "");
  std::string down = frame_of(0x4, 0, 0, "");
  std::vector<const std::string*> requests, responses;
  for (std::size_t i = 0; i < exchanges.size(); ++i) {
    const auto stream = static_cast<std::uint32_t>(2 * i + 1);
    up += request_head(exchanges[i], stream);
    down += response_head(exchanges[i], stream);
    requests.push_back(&exchanges[i].request_body);
    responses.push_back(&exchanges[i].response_body);
  }
  up += interleaved(requests, frame);
  down += interleaved(responses, frame);
  return {{Direction::kWrite, up}, {Direction::kRead, down}};
}

}  // namespace llmtap::testing
