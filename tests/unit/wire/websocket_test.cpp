// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/websocket.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "parsers/wire/websocket_half.h"
#include "tests/unit/wire/websocket_frames.h"

using namespace llmtap;
using namespace llmtap::test::ws;

TEST_CASE("websocket: messages", "[unit]") {
  struct Case {
    const char* name;
    std::vector<Frame> frames;
    std::vector<std::string> expected;
  };
  const Case cases[] = {
      {"text", {{"{}"}}, {"{}"}},
      {"empty", {{""}}, {""}},
      {"binary", {{"\x01\x02", 2}}, {"\x01\x02"}},
      {"16-bit length", {{std::string(126, 'x')}}, {std::string(126, 'x')}},
      {"64-bit length", {{std::string(70000, 'x')}}, {std::string(70000, 'x')}},
      {"fragments", {{"a", 1, false}, {"b", 0, false}, {"c", 0}}, {"abc"}},
      {"control frames between fragments",
       {{"a", 1, false}, {"ping", 9}, {"b", 0, false}, {"pong", 10}, {"", 0}},
       {"ab"}},
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
  struct Case {
    const char* name;
    std::string wire;
  };
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
        const auto result =
            run(&kPlain, {{kServer, good + c.wire + good}, {kClient, encode(kClient, {"still"})}},
                size);
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
  struct Case {
    const char* value;
    int bits;
    bool keep;
  };
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
