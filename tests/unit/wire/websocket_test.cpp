// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/websocket.h"

#include <zlib.h>

#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "parsers/wire/websocket_half.h"
#include "tests/unit/wire/http2_log.h"

using namespace llmtap;
using namespace llmtap::test;

namespace {

constexpr StreamId kStream = 1;
constexpr Side kClient = Side::kRequest;
constexpr Side kServer = Side::kResponse;

struct Frame {
  std::string payload;
  int opcode = 1;
  bool fin = true;
  bool rsv1 = false;
};

std::string encode(Side side, const Frame& frame, std::uint32_t key = 0x01f7a3c9) {
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

Headers extensions(const char* value) { return {{"sec-websocket-extensions", value}}; }

struct Run {
  ExchangeLog log;
  bool dead = false;
  End end = End::kTruncated;
  std::size_t memory = 0;
};

using Pieces = std::vector<std::pair<Side, std::string>>;

Run run(const Headers* response, const Pieces& pieces, std::size_t size = SIZE_MAX) {
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

const Headers kPlain;

std::vector<std::string> texts(const Run& run, Side side) {
  std::vector<std::string> out;
  for (const auto& m : run.log.exchange(kStream).messages) {
    if (m.side == side) out.push_back(m.payload);
  }
  return out;
}

std::string event(std::size_t i) {
  return R"({"type":"response.output_text.delta","sequence_number":)" + std::to_string(i) +
         R"(,"delta":"token )" + std::to_string(i * 7919 % 1000) + "\"}";
}

}  // namespace

TEST_CASE("websocket: messages", "[unit]") {
  struct Case { const char* name; std::vector<Frame> frames; std::vector<std::string> expected; };
  const Case cases[] = {
      {"text", {{"{}"}}, {"{}"}},
      {"empty", {{""}}, {""}},
      {"binary", {{"\x01\x02", 2}}, {"\x01\x02"}},
      {"16-bit length", {{std::string(126, 'x')}}, {std::string(126, 'x')}},
      {"64-bit length", {{std::string(70000, 'x')}}, {std::string(70000, 'x')}},
      {"fragments", {{"a", 1, false}, {"b", 0, false}, {"c", 0}}, {"abc"}},
      {"control frames between fragments",
       {{"a", 1, false}, {"ping", 9}, {"b", 0, false}, {"pong", 10}, {"", 0}}, {"ab"}},
      {"empty fragments", {{"", 1, false}, {"", 0, false}, {"x", 0}}, {"x"}},
      {"close", {{"a"}, {"\x03\xe8", 8}}, {"a"}},
      {"several", {{"a"}, {"b"}, {"c"}}, {"a", "b", "c"}},
  };
  for (const Side side : {kClient, kServer}) {
    for (const auto& c : cases) {
      DYNAMIC_SECTION(c.name << (side == kClient ? ", client" : ", server")) {
        std::string wire;
        for (const auto& frame : c.frames) wire += encode(side, frame);
        for (std::size_t size = 1; size < 20; ++size) {
          CAPTURE(size);
          CHECK(texts(run(&kPlain, {{side, wire}}, size), side) == c.expected);
        }
        const auto whole = run(&kPlain, {{side, wire}});
        CHECK(texts(whole, side) == c.expected);
        CHECK(whole.log.exchange(kStream).gaps[0].empty());
        CHECK(whole.end == (c.frames.back().opcode == 8 ? End::kComplete : End::kTruncated));
        CHECK(whole.memory < 2000);
      }
    }
  }
}

TEST_CASE("websocket: text and binary are told apart", "[unit]") {
  const auto result = run(&kPlain, {{kServer, encode(kServer, {"a", 2}) + encode(kServer, {"b"})}});
  const auto& messages = result.log.exchange(kStream).messages;
  REQUIRE(messages.size() == 2);
  CHECK_FALSE(messages[0].text);
  CHECK(messages[1].text);
}

TEST_CASE("websocket: a request of 40 KB in TLS records", "[unit]") {
  std::string request = R"({"type":"response.create","input":")";
  for (int i = 0; request.size() < 40000; ++i) request += std::to_string(i) + " ";
  request += "\"}";
  const std::string wire = encode(kClient, {request});
  for (const std::size_t size : {1, 3, 4, 5, 7, 10, 1000, 16384, 16385}) {
    CAPTURE(size);
    CHECK(texts(run(&kPlain, {{kClient, wire}}, size), kClient) == std::vector{request});
  }
}

TEST_CASE("websocket: violations are fatal once everything was seen", "[unit]") {
  struct Case { const char* name; std::string wire; };
  const std::string good = encode(kServer, {"ok"});
  const Case cases[] = {
      {"RSV1 without deflate", encode(kServer, {"x", 1, true, true})},
      {"RSV2", "\xa1\x01x"},
      {"RSV3", "\x91\x01x"},
      {"unknown opcode", "\x83\x01x"},
      {"masked by the server", encode(kClient, {"x"})},
      {"length is not minimal, 16 bit", std::string("\x81\x7e\x00\x05hello", 9)},
      {"length is not minimal, 64 bit", std::string("\x81\x7f\0\0\0\0\0\0\xff\xff", 10)},
      {"length of 64 bits", "\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff"},
      {"long ping", encode(kServer, {std::string(126, 'x'), 9})},
      {"fragmented ping", encode(kServer, {"x", 9, false})},
      {"continuation of nothing", encode(kServer, {"x", 0})},
      {"message inside a message", encode(kServer, {"x", 1, false}) + encode(kServer, {"y"})},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      for (const std::size_t size : {SIZE_MAX, std::size_t{1}}) {
        const auto result = run(
            &kPlain, {{kServer, good + c.wire + good}, {kClient, encode(kClient, {"still"})}}, size);
        CHECK(texts(result, kServer) == std::vector<std::string>{"ok"});
        CHECK(texts(result, kClient) == std::vector<std::string>{"still"});
        CHECK(result.log.losses.times(LossReason::kMalformedHttp) > 0);
        CHECK_FALSE(result.log.exchange(kStream).gaps[1].empty());
      }
    }
  }
}

TEST_CASE("websocket: what was negotiated", "[unit]") {
  struct Case {
    const char* value;
    bool deflate;
    bool client_keeps;
    bool server_keeps;
    std::size_t client_window;
    std::size_t server_window;
  };
  const Case cases[] = {
      {"", false, true, true, 0, 0},
      {"x-webkit-deflate-frame", false, true, true, 0, 0},
      {"permessage-deflate", true, true, true, 32768, 32768},
      {"permessage-deflate; server_no_context_takeover", true, true, false, 32768, 32768},
      {"foo;a=1 , permessage-deflate;client_no_context_takeover;server_max_window_bits=9", true,
       false, true, 32768, 512},
      {"permessage-deflate; client_max_window_bits=\"10\"", true, true, true, 1024, 32768},
      {"permessage-deflate; client_max_window_bits=99; server_max_window_bits", true, true, true,
       32768, 32768},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.value) {
      const auto offer = negotiated_deflate(extensions(c.value));
      REQUIRE(offer.has_value() == c.deflate);
      if (!offer) continue;
      CHECK(offer->client.keeps_context == c.client_keeps);
      CHECK(offer->server.keeps_context == c.server_keeps);
      CHECK(offer->client.window == c.client_window);
      CHECK(offer->server.window == c.server_window);
    }
  }
}

TEST_CASE("websocket: compressed messages in both context modes", "[unit]") {
  struct Case { const char* value; int bits; bool keep; };
  const Case cases[] = {
      {"permessage-deflate", 15, true},
      {"permessage-deflate; server_no_context_takeover; client_no_context_takeover", 15, false},
      {"permessage-deflate; server_max_window_bits=9; client_max_window_bits=9", 9, true},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.value) {
      std::vector<std::string> sent;
      std::string wire[2];
      for (const Side side : {kClient, kServer}) {
        Compressor compress(c.bits, c.keep);
        for (std::size_t i = 0; i < 200; ++i) {
          const std::string text = i == 100 ? event(i) + std::string(100000, 'z') : event(i);
          if (side == kClient) sent.push_back(text);
          std::string& out = wire[static_cast<std::size_t>(side)];
          if (i % 10 == 3) {  // not every message is compressed
            out += encode(side, {text});
            continue;
          }
          const std::string packed = compress(text);
          if (i % 7 == 0) {  // in fragments: RSV1 on the first only
            out += encode(side, {packed.substr(0, packed.size() / 2), 1, false, true}) +
                   encode(side, {"", 9}) + encode(side, {packed.substr(packed.size() / 2), 0});
          } else {
            out += encode(side, {packed, 1, true, true});
          }
        }
      }
      const Headers headers = extensions(c.value);
      for (const std::size_t size : {SIZE_MAX, std::size_t{1}, std::size_t{7}, std::size_t{1400}}) {
        CAPTURE(size);
        const auto result = run(&headers, {{kClient, wire[0]}, {kServer, wire[1]}}, size);
        CHECK(texts(result, kClient) == sent);
        CHECK(texts(result, kServer) == sent);
        CHECK(result.memory < 200 * 1024);
      }
    }
  }
}

TEST_CASE("websocket: final deflate blocks and broken ones", "[unit]") {
  const Headers headers = extensions("permessage-deflate");
  // RFC 7692 7.2.3.4: a final block with "Hello", and an empty stored one behind it.
  const std::string final_block("\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8);
  const auto good = run(&headers, {{kServer, encode(kServer, {final_block, 1, true, true})}});
  CHECK(texts(good, kServer) == std::vector<std::string>{"Hello"});

  const std::string broken = encode(kServer, {"\xff\xff\xff\xff", 1, true, true});
  const auto bad = run(&headers, {{kServer, broken + encode(kServer, {"{}"})}});
  CHECK(texts(bad, kServer) == std::vector<std::string>{"{}"});
  CHECK(bad.log.losses.bytes(LossReason::kBadCoding) == 4);
  CHECK(bad.log.exchange(kStream).gaps[1].size() == 1);
}

TEST_CASE("websocket: a message over the limit is dropped, the next one is not", "[unit]") {
  const std::size_t limit = WebSocketHalf::kMaxMessage;
  const std::string next = encode(kServer, {"{}"});
  SECTION("by its length") {
    const auto result =
        run(&kPlain, {{kServer, encode(kServer, {std::string(limit + 1, 'x')}) + next}}, 65536);
    CHECK(texts(result, kServer) == std::vector<std::string>{"{}"});
    CHECK(result.log.losses.bytes(LossReason::kBodyLimit) == limit + 1);
  }
  SECTION("in fragments") {
    std::string wire = encode(kServer, {std::string(limit, 'x'), 1, false});
    wire += encode(kServer, {"y", 0, false}) + encode(kServer, {"z", 0}) + next;
    const auto result = run(&kPlain, {{kServer, wire}}, 65536);
    CHECK(texts(result, kServer) == std::vector<std::string>{"{}"});
    CHECK(result.log.losses.bytes(LossReason::kBodyLimit) == limit + 2);
  }
  SECTION("exactly at it") {
    const auto result =
        run(&kPlain, {{kServer, encode(kServer, {std::string(limit, 'x')})}}, 65536);
    CHECK(texts(result, kServer).size() == 1);
  }
  SECTION("a bomb") {
    const Headers headers = extensions("permessage-deflate");
    Compressor compress;
    const std::string bomb = compress(std::string(limit + 1, 'x'));
    CHECK(bomb.size() < 20000);
    const auto result =
        run(&headers, {{kServer, encode(kServer, {bomb, 1, true, true}) + next}}, 512);
    CHECK(texts(result, kServer) == std::vector<std::string>{"{}"});
    CHECK(result.log.losses.bytes(LossReason::kBodyLimit) == bomb.size());
    CHECK(result.memory < 100000);
  }
}

TEST_CASE("websocket: bytes lost inside a payload cost one message", "[unit]") {
  std::vector<std::string> sent;
  for (std::size_t i = 0; i < 4; ++i) sent.push_back(event(i));
  for (const Side side : {kClient, kServer}) {
    const std::string second = encode(side, {sent[1]});
    const std::size_t header = second.size() - sent[1].size();
    for (std::size_t at = header; at < second.size(); ++at) {
      for (const std::size_t n : {std::size_t{1}, std::size_t{5}, second.size() - at}) {
        if (at + n > second.size()) continue;
        ExchangeLog log;
        log.request(kStream, {}, Direction::kWrite, {});
        log.response(kStream, {}, {});
        WebSocketStream stream(kStream, &kPlain);
        stream.feed(side, encode(side, {sent[0]}) + second.substr(0, at), {}, log);
        stream.gap(side, n, {}, log);
        stream.feed(side, second.substr(at + n) + encode(side, {sent[2]}), {}, log);
        std::vector<std::string> seen;
        for (const auto& m : log.exchange(kStream).messages) seen.push_back(m.payload);
        CAPTURE(at, n);
        CHECK(seen == std::vector{sent[0], sent[2]});
        CHECK(log.exchange(kStream).gaps[side == kClient ? 0 : 1].size() == 1);
      }
    }
  }
}

TEST_CASE("websocket: joined at any byte, messages are right or missing", "[unit]") {
  std::vector<std::string> sent;
  for (std::size_t i = 0; i < 12; ++i) sent.push_back(event(i));
  sent[3] = "{\"text\":\"\xd0\x81\xd0\x82 \xc1{\\\"}\"}";  // looks like headers
  for (const Side side : {kClient, kServer}) {
    std::string wire;
    std::vector<std::size_t> starts;
    std::mt19937 random(3);
    for (const auto& text : sent) {
      starts.push_back(wire.size());
      wire += encode(side, {text}, random());
      if (text.size() % 3 == 0) wire += encode(side, {"", 9}, random());
    }
    std::size_t wrong = 0;
    for (std::size_t at = 0; at < starts[9]; ++at) {
      const auto result = run(nullptr, {{side, wire.substr(at)}});
      const auto seen = texts(result, side);
      // The first whole message behind the place where we joined, and all that follow.
      std::size_t first = 0;
      while (starts[first] < at) ++first;
      if (seen != std::vector<std::string>(sent.begin() + static_cast<long>(first), sent.end())) {
        ++wrong;
      }
      if (texts(run(nullptr, {{side, wire.substr(at)}}, 1), side) != seen) ++wrong;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("websocket: joined late with compression it recovers as the sender allows", "[unit]") {
  for (const bool keep : {true, false}) {
    CAPTURE(keep);
    Compressor compress(15, keep);
    std::vector<std::string> sent;
    std::vector<std::string> wire;
    for (std::size_t i = 0; i < 40; ++i) {
      sent.push_back(event(i));
      wire.push_back(encode(kServer, {compress(sent.back()), 1, true, true}));
    }
    const auto result = [&] {
      std::string tail;
      for (std::size_t i = 10; i < wire.size(); ++i) tail += wire[i];
      return run(nullptr, {{kServer, tail}}, 100);
    }();
    const auto seen = texts(result, kServer);
    if (keep) {
      CHECK(seen.empty());
      CHECK(result.log.losses.times(LossReason::kUnknownContext) > 0);
      CHECK_FALSE(result.log.exchange(kStream).gaps[1].empty());
    } else {
      CHECK(seen == std::vector<std::string>(sent.begin() + 10, sent.end()));
    }
  }
}

TEST_CASE("websocket: bytes lost between messages", "[unit]") {
  std::string wire;
  std::vector<std::string> sent;
  std::vector<std::size_t> starts;
  for (std::size_t i = 0; i < 20; ++i) {
    sent.push_back(event(i));
    starts.push_back(wire.size());
    wire += encode(kServer, {sent.back()});
  }
  std::mt19937 random(5);
  std::size_t wrong = 0;
  for (int round = 0; round < 500; ++round) {
    const std::size_t at = random() % (wire.size() / 2);
    const std::size_t n = 1 + random() % 400;
    ExchangeLog log;
    log.request(kStream, {}, Direction::kWrite, {});
    log.response(kStream, {}, {});
    WebSocketStream stream(kStream, &kPlain);
    stream.feed(kServer, wire.substr(0, at), {}, log);
    stream.gap(kServer, n, {}, log);
    stream.feed(kServer, wire.substr(at + n), {}, log);
    std::vector<std::string> expected;
    for (std::size_t i = 0; i < sent.size(); ++i) {
      const std::size_t end = i + 1 < starts.size() ? starts[i + 1] : wire.size();
      if (end <= at || starts[i] >= at + n) expected.push_back(sent[i]);
    }
    std::vector<std::string> seen;
    for (const auto& m : log.exchange(kStream).messages) seen.push_back(m.payload);
    if (seen != expected || log.exchange(kStream).gaps[1].empty()) ++wrong;
  }
  CHECK(wrong == 0);
}
