// SPDX-License-Identifier: Apache-2.0
//
// WebSocket frames as a peer sends them, and a stream that is fed in pieces.
#pragma once

#include <zlib.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/wire/websocket.h"
#include "tests/unit/wire/http2_log.h"

namespace llmtap::test::ws {

inline constexpr StreamId kStream = 1;
inline constexpr Side kClient = Side::kRequest;
inline constexpr Side kServer = Side::kResponse;

struct Frame {
  std::string payload;
  int opcode = 1;
  bool fin = true;
  bool rsv1 = false;
};

inline std::string encode(Side side, const Frame& frame, std::uint32_t key = 0x01f7a3c9) {
  std::string out;
  out.push_back(static_cast<char>((frame.fin ? 0x80 : 0) | (frame.rsv1 ? 0x40 : 0) | frame.opcode));
  const int mask = side == kClient ? 0x80 : 0;
  const std::size_t size = frame.payload.size();
  const int extended = size < 126 ? 0 : size < 65536 ? 2 : 8;
  out.push_back(static_cast<char>(mask | (extended == 0 ? size : extended == 2 ? 126 : 127)));
  for (int i = extended - 1; i >= 0; --i) out.push_back(static_cast<char>(size >> (8 * i)));
  if (mask == 0) return out + frame.payload;
  for (int i = 3; i >= 0; --i) out.push_back(static_cast<char>(key >> (8 * i)));
  for (std::size_t i = 0; i < size; ++i) {
    out.push_back(static_cast<char>(frame.payload[i] ^ (key >> (8 * (3 - i % 4)))));
  }
  return out;
}

// The sender of permessage-deflate.
class Compressor {
 public:
  explicit Compressor(int bits = 15, bool keep = true) : keep_(keep) {
    REQUIRE(deflateInit2(&stream_, 6, Z_DEFLATED, -bits, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  }
  ~Compressor() { deflateEnd(&stream_); }
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  std::string operator()(std::string_view text) {
    std::string out(deflateBound(&stream_, text.size()) + 64, '\0');
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream_.avail_in = static_cast<uInt>(text.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    deflate(&stream_, Z_SYNC_FLUSH);
    out.resize(out.size() - stream_.avail_out);
    if (!keep_) deflateReset(&stream_);
    REQUIRE(out.ends_with(std::string("\0\0\xff\xff", 4)));
    return out.substr(0, out.size() - 4);
  }

 private:
  bool keep_;
  z_stream stream_{};
};

inline Headers extensions(const char* value) { return {{"sec-websocket-extensions", value}}; }

struct Run {
  ExchangeLog log;
  bool dead = false;
  End end = End::kTruncated;
  std::size_t memory = 0;
};

using Pieces = std::vector<std::pair<Side, std::string>>;

inline Run run(const Headers* response, const Pieces& pieces, std::size_t size = SIZE_MAX) {
  Run result;
  result.log.request(kStream, {}, Direction::kWrite, {});
  result.log.response(kStream, {}, {});
  WebSocketStream stream(kStream, response);
  for (const auto& [side, bytes] : pieces) {
    for (std::size_t at = 0; at < bytes.size(); at += std::min(size, bytes.size() - at)) {
      stream.feed(side, std::string_view(bytes).substr(at, size), {}, result.log);
    }
  }
  result.dead = stream.dead();
  result.end = stream.end();
  result.memory = stream.memory();
  CHECK(result.log.errors.empty());
  return result;
}

inline const Headers kPlain;

inline std::vector<std::string> texts(const Run& run, Side side) {
  std::vector<std::string> out;
  for (const auto& m : run.log.exchange(kStream).messages) {
    if (m.side == side) out.push_back(m.payload);
  }
  return out;
}

inline std::string event(std::size_t i) {
  return R"({"type":"response.output_text.delta","sequence_number":)" + std::to_string(i) +
         R"(,"delta":"token )" + std::to_string(i * 7919 % 1000) + "\"}";
}

}  // namespace llmtap::test::ws
