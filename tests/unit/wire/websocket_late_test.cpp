// SPDX-License-Identifier: Apache-2.0
//
// WebSockets joined at any moment, and with bytes lost: messages are right or missing.
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "parsers/wire/websocket_decoder.h"
#include "tests/unit/wire/websocket_frames.h"

using namespace llmtap;
using namespace llmtap::test;
using namespace llmtap::test::ws;

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

TEST_CASE("websocket: a connection joined behind its handshake", "[unit]") {
  const std::string client = encode(kClient, {event(1)});
  const std::string server = encode(kServer, {event(2)}) + encode(kServer, {event(3)});
  CHECK(looks_like_websocket(client) == Side::kRequest);
  CHECK(looks_like_websocket(server) == Side::kResponse);
  CHECK_FALSE(looks_like_websocket(""));
  CHECK_FALSE(looks_like_websocket("\x81"));
  CHECK_FALSE(looks_like_websocket("\x81\x05hello"));
  CHECK_FALSE(looks_like_websocket("{\"a\":1}"));
  CHECK_FALSE(looks_like_websocket("HTTP/1.1 200 OK\r\n"));

  WebSocketDecoder decoder(Direction::kRead);  // we observe the server
  ExchangeLog log;
  decoder.feed(Direction::kWrite, "rest of something" + server, {}, log);
  decoder.gap(Direction::kRead, 10, {}, log);
  decoder.feed(Direction::kRead, client, {}, log);
  decoder.close({}, log);
  CHECK(log.errors.empty());
  CHECK(log.client == Direction::kRead);
  const auto& seen = log.exchange(1);
  CHECK(seen.request.partial);
  CHECK(seen.request.protocol == Protocol::kWebSocket);
  CHECK(seen.response->partial);
  REQUIRE(seen.messages.size() == 3);
  CHECK(seen.messages[0] == LoggedMessage{Side::kResponse, event(2), true});
  CHECK(seen.messages[2] == LoggedMessage{Side::kRequest, event(1), true});
  CHECK(seen.end == End::kTruncated);
}
