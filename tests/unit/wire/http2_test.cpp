// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/http2.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "parsers/wire/http2_frame.h"
#include "tests/unit/wire/http2_calls.h"

using namespace llmtap;
using namespace llmtap::test;

namespace {

ExchangeLog replay(const std::vector<Piece>& pieces, std::size_t size = SIZE_MAX) {
  Http2Decoder decoder;
  ExchangeLog log;
  for (const auto& piece : pieces) feed(decoder, log, piece.direction, piece.bytes, size);
  CHECK_FALSE(decoder.dead());
  decoder.close({}, log);
  return log;
}

void check_all(const std::vector<Call>& calls, const ExchangeLog& log) {
  CHECK(log.errors.empty());
  REQUIRE(log.size() == calls.size());
  CHECK(log.opened == calls.size());
  CHECK(log.client == kClient);
  for (std::size_t i = 0; i < calls.size(); ++i) {
    CAPTURE(i);
    CHECK(difference(calls[i], log.exchange(2 * i + 1)) == "");
  }
}

}  // namespace

TEST_CASE("http2: one call from a real peer", "[unit]") {
  const auto calls = make_calls(1);
  const auto log = replay(run_http2(calls));
  check_all(calls, log);
  CHECK(log.exchange(1).request.protocol == Protocol::kHttp2);
  CHECK(find_header(log.exchange(1).response->headers, "content-type") == "text/event-stream");
}

TEST_CASE("http2: 50 streams at once, whole and cut anywhere", "[unit]") {
  const auto calls = make_calls(50);
  const auto pieces = run_http2(calls);
  const auto whole = replay(pieces);
  check_all(calls, whole);
  for (const std::size_t size : {1, 2, 3, 5, 8, 9, 10, 13, 64, 1000}) {
    CAPTURE(size);
    CHECK(replay(pieces, size).all() == whole.all());
  }
}

TEST_CASE("http2: 300 calls, 20 at a time, over one table", "[unit]") {
  const auto calls = make_calls(300);
  PeerOptions options;
  options.max_streams = 20;
  options.padding = 17;
  check_all(calls, replay(run_http2(calls, options)));
  options.table_size = 0;
  check_all(calls, replay(run_http2(calls, options)));
  options.table_size = 65536;
  check_all(calls, replay(run_http2(calls, options)));
}

TEST_CASE("http2: long heads, interim responses, trailers", "[unit]") {
  auto calls = make_calls(4);
  calls[0].request.emplace_back("x-long", std::string(40000, 'h'));  // HEADERS + CONTINUATION
  calls[1].interim = true;
  calls[2].trailers = {{"grpc-status", "0"}};
  calls[3].request_body.clear();
  const auto pieces = run_http2(calls);
  const auto log = replay(pieces);
  check_all(calls, log);
  CHECK(find_header(log.exchange(1).request.headers, "x-long")->size() == 40000);
  CHECK(replay(pieces, 7).all() == log.all());
}

TEST_CASE("http2: a reset by the server truncates", "[unit]") {
  auto calls = make_calls(3);
  calls[1].reset_after = 100;
  const auto log = replay(run_http2(calls));
  CHECK(log.exchange(3).end == End::kTruncated);
  CHECK_FALSE(log.exchange(3).finished[1]);
  CHECK(calls[1].response_body.starts_with(log.exchange(3).body[1]));
  CHECK(difference(calls[0], log.exchange(1)) == "");
  CHECK(difference(calls[2], log.exchange(5)) == "");
}

TEST_CASE("http2: how streams end", "[unit]") {
  const std::string start = request(1) + data("q", 1, true);
  const std::string reset = frame(std::string(4, '\0'), 3, 0, 1);
  const std::string goaway_0 = frame(std::string(8, '\0'), 7, 0, 0);
  const std::string goaway_1 = frame(std::string("\0\0\0\1\0\0\0\0", 8), 7, 0, 0);
  struct Case {
    const char* name;
    std::string client;
    std::string server;
    std::string client_after;
    End end;
  };
  const Case cases[] = {
      {"complete", start, response(1) + data("a", 1, true), "", End::kComplete},
      {"empty last DATA", start, response(1) + data("a", 1) + data("", 1, true), "",
       End::kComplete},
      {"response without a body", start, response(1, true), "", End::kComplete},
      {"client resets", start, response(1) + data("a", 1), reset, End::kCancelled},
      {"client resets before any answer", start, "", reset, End::kCancelled},
      {"client resets what is complete", request(1), response(1, true), reset, End::kComplete},
      {"server resets", start, response(1) + data("a", 1) + reset, "", End::kTruncated},
      {"server resets without an answer", start, reset, "", End::kTruncated},
      {"early answer, then reset", request(1), response(1, true) + reset, "", End::kComplete},
      {"GOAWAY below it", start, goaway_0, "", End::kTruncated},
      {"GOAWAY, but it goes on", start, response(1) + goaway_1 + data("a", 1, true), "",
       End::kComplete},
      {"the connection ends", start, response(1) + data("a", 1), "", End::kTruncated},
      {"trailers end it", start, response(1) + data("a", 1) + frame("\x40\1x\1y", 1, 5, 1), "",
       End::kComplete},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      Http2Decoder decoder;
      ExchangeLog log;
      feed(decoder, log, kClient, std::string(kHttp2Preface) + settings() + c.client);
      feed(decoder, log, kServer, settings() + c.server);
      feed(decoder, log, kClient, c.client_after);
      decoder.close({}, log);
      CHECK(log.errors.empty());
      CHECK_FALSE(decoder.dead());
      REQUIRE(log.opened == 1);
      CHECK(log.exchange(1).end == c.end);
      CHECK(decoder.open_streams() == 0);
    }
  }
}

TEST_CASE("http2: frames that do not matter", "[unit]") {
  const std::string noise[] = {frame("12345678", 6, 0, 0),         // PING
                               frame(std::string(4, 1), 8, 0, 1),  // WINDOW_UPDATE
                               frame(std::string(5, 0), 2, 0, 1),  // PRIORITY
                               frame("whatever", 0xbe, 0xff, 1),   // unknown
                               frame("", 4, 1, 0),                 // SETTINGS ACK
                               frame("u=1", 0x10, 0, 0)};          // PRIORITY_UPDATE
  std::string all;
  for (const auto& n : noise) all += n;
  const std::string push =  // refused, but its fields count for the table
      frame(std::string("\0\0\0\2", 4) + "\x40\1x\1y", 5, 4, 1);
  Http2Decoder decoder;
  ExchangeLog log;
  feed(decoder, log, kClient,
       std::string(kHttp2Preface) + settings() + all + request(1) + all + data("q", 1, true), 3);
  feed(decoder, log, kServer,
       settings() + all + push + frame("\x88\xbe", 1, 4, 1) + all + response(2) + data("no", 2) +
           data("a", 1) + all + data("", 1, true),
       5);
  CHECK(log.errors.empty());
  REQUIRE(log.opened == 1);
  CHECK(log.exchange(1).body[1] == "a");
  CHECK(log.exchange(1).end == End::kComplete);
  CHECK(log.exchange(1).response->headers == Headers{{"x", "y"}});
}

TEST_CASE("http2: violations are fatal once everything was seen", "[unit]") {
  struct Case {
    const char* name;
    std::string bytes;
  };
  const Case cases[] = {
      {"frame over the limit", frame(std::string(16385, 'x'), 0, 0, 1)},
      {"DATA on stream 0", data("x", 0)},
      {"HEADERS on stream 0", frame(kPost, 1, 4, 0)},
      {"SETTINGS on a stream", frame("", 4, 0, 1)},
      {"SETTINGS of 5 bytes", frame("12345", 4, 0, 0)},
      {"PING of 7 bytes", frame("1234567", 6, 0, 0)},
      {"WINDOW_UPDATE of 3 bytes", frame("123", 8, 0, 0)},
      {"RST_STREAM of 5 bytes", frame("12345", 3, 0, 1)},
      {"padding longer than the payload", frame("\x05xy", 0, 8, 1)},
      {"padding longer than the block", frame("\x7f\x83", 1, 12, 3)},
      {"CONTINUATION out of nowhere", frame("", 9, 4, 1)},
      {"DATA between HEADERS and CONTINUATION", frame(kPost, 1, 0, 3) + data("x", 1)},
      {"CONTINUATION of another stream", frame(kPost, 1, 0, 3) + frame("", 9, 4, 1)},
      {"HPACK error", frame("\x80", 1, 4, 3)},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      Http2Decoder decoder;
      ExchangeLog log;
      feed(decoder, log, kClient, std::string(kHttp2Preface) + settings() + request(1) + c.bytes);
      CHECK(decoder.dead());
      CHECK(log.losses.times(LossReason::kMalformedHttp) > 0);
      CHECK(log.exchange(1).end == End::kTruncated);
      const auto before = log.losses.bytes(LossReason::kMalformedHttp);
      feed(decoder, log, kServer, "12345");
      CHECK(log.losses.bytes(LossReason::kMalformedHttp) == before + 5);
      CHECK(log.errors.empty());
    }
  }
}

TEST_CASE("http2: the other side's SETTINGS allow larger frames", "[unit]") {
  Http2Decoder decoder;
  ExchangeLog log;
  feed(decoder, log, kServer, frame(std::string("\0\5\0\0\x80\0", 6), 4, 0, 0));  // 32768
  feed(decoder, log, kClient,
       std::string(kHttp2Preface) + settings() + request(1) + data(std::string(32768, 'x'), 1));
  CHECK_FALSE(decoder.dead());
  CHECK(log.exchange(1).body[0].size() == 32768);
  feed(decoder, log, kClient, data(std::string(32769, 'x'), 1));
  CHECK(decoder.dead());
}

TEST_CASE("http2: limits", "[unit]") {
  Http2Decoder decoder;
  ExchangeLog log;
  feed(decoder, log, kClient, std::string(kHttp2Preface) + settings());
  SECTION("open streams") {
    for (std::uint32_t i = 0; i <= Http2Decoder::kMaxStreams; ++i) {
      feed(decoder, log, kClient, request(2 * i + 1));
    }
    CHECK(decoder.open_streams() == Http2Decoder::kMaxStreams);
    CHECK(log.exchange(1).end == End::kEvicted);
    CHECK(log.losses.times(LossReason::kConnectionLimit) == 1);
    CHECK(decoder.memory() < 4 * 1024 * 1024);
  }
  SECTION("header block") {
    feed(decoder, log, kClient, frame(kPost, 1, 0, 1));
    for (int i = 0; i < 20; ++i) {
      feed(decoder, log, kClient, frame(std::string(16384, '\x83'), 9, 0, 1));
      CHECK(decoder.memory() < 2 * FrameReader::kMaxBlock + 65536);
    }
    feed(decoder, log, kClient, frame("", 9, 4, 1) + data("q", 1, true));
    CHECK_FALSE(decoder.dead());
    CHECK(log.exchange(1).request.partial);
    CHECK(log.exchange(1).body[0] == "q");
    CHECK(log.losses.times(LossReason::kHeaderLimit) == 1);
  }
  SECTION("payload of a control frame") {
    feed(decoder, log, kServer, frame(std::string("\0\5\0\1\0\0", 6), 4, 0, 0));  // 65536
    feed(decoder, log, kClient, request(1));
    feed(decoder, log, kClient, frame(std::string(FrameReader::kMaxControl + 1, '\0'), 7, 0, 0));
    CHECK(decoder.memory() < 4096);
    CHECK(log.losses.times(LossReason::kHeaderLimit) == 1);
    feed(decoder, log, kClient, data("q", 1, true));
    CHECK(log.exchange(1).body[0] == "q");
  }
  SECTION("fields of a head") {
    std::string block = kPost;
    for (int i = 0; i < 1000; ++i) block += "\x90";  // accept-encoding
    feed(decoder, log, kClient, frame(block, 1, 4, 1));
    CHECK(log.exchange(1).request.partial);
    CHECK(log.exchange(1).request.headers.size() == 256);
    CHECK(log.losses.times(LossReason::kHeaderLimit) == 1);
  }
}

TEST_CASE("http2: detection", "[unit]") {
  struct Case {
    const char* name;
    std::string bytes;
    bool start;
  };
  const Case cases[] = {
      {"preface", std::string(kHttp2Preface), true},
      {"part of the preface", "PRI * HT", true},
      {"preface and more", std::string(kHttp2Preface) + settings(), true},
      {"server", frame(std::string(12, 1), 4, 0, 0) + settings(), true},
      {"empty", "", false},
      {"HTTP/1", "POST /v1/messages HTTP/1.1\r\n", false},
      {"another PRI", "PRINT / HTTP/1.1\r\n", false},
      {"acknowledgement", frame("", 4, 1, 0), false},
      {"SETTINGS of 7 bytes", frame("1234567", 4, 0, 0), false},
      {"WebSocket", "\x81\x05hello and more", false},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) { CHECK(looks_like_http2(c.bytes) == c.start); }
  }
  CHECK(contains_http2_frames("junk" + data("abc", 1) + data("def", 1)));
  CHECK(contains_http2_frames(request(7)));
  CHECK_FALSE(contains_http2_frames("junk" + data("abc", 1) + "def"));
  CHECK_FALSE(contains_http2_frames(std::string(5000, '\0')));
}

TEST_CASE("http2: extended CONNECT carries a WebSocket", "[unit]") {
  // RFC 8441, 5.1. The fields are literals, so that the test reads.
  const auto literal = [](std::string_view name, std::string_view text) {
    std::string out(1, '\0');
    out.push_back(static_cast<char>(name.size()));
    out.append(name);
    out.push_back(static_cast<char>(text.size()));
    return out.append(text);
  };
  const std::string connect = literal(":method", "CONNECT") + literal(":protocol", "websocket") +
                              literal(":scheme", "https") +
                              literal(":path", "/v1/realtime?model=x") +
                              literal(":authority", "api.example.com") +
                              literal("sec-websocket-extensions", "permessage-deflate");
  const std::string client_message("\x81\x85\1\2\3\4\x69\x67\x6f\x68\x6e", 11);  // "hello"
  const std::string server_message("\x81\x02{}", 4);
  const std::string packed("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00",
                           9);  // "Hello" (RFC 7692 7.2.3.1)
  const std::string client = std::string(kHttp2Preface) + settings() + frame(connect, 1, 4, 1);
  const std::string server =
      settings() + frame(kOk + literal("sec-websocket-extensions", "permessage-deflate"), 1, 4, 1);
  const std::size_t size = GENERATE(std::size_t{1}, std::size_t{4}, SIZE_MAX);
  CAPTURE(size);
  Http2Decoder decoder;
  ExchangeLog log;
  feed(decoder, log, kClient, client, size);
  feed(decoder, log, kServer, server, size);
  // A message over two DATA frames, two messages in one.
  feed(decoder, log, kClient,
       data(client_message.substr(0, 4), 1) + data(client_message.substr(4), 1), size);
  feed(decoder, log, kServer, data(server_message + packed, 1), size);
  const std::size_t memory = decoder.memory();
  SECTION("both sides end") {
    feed(decoder, log, kClient, data("", 1, true), size);
    feed(decoder, log, kServer, data("", 1, true), size);
    CHECK(log.exchange(1).end == End::kComplete);
    CHECK(decoder.memory() < memory);
  }
  SECTION("the client resets") {
    feed(decoder, log, kClient, frame(std::string(4, '\0'), 3, 0, 1), size);
    CHECK(log.exchange(1).end == End::kCancelled);
  }
  SECTION("the connection ends behind a Close") {
    feed(decoder, log, kServer, data(std::string("\x88\x02\x03\xe8", 4), 1), size);
    decoder.close({}, log);
    CHECK(log.exchange(1).end == End::kComplete);
  }
  SECTION("bytes of the stream are lost inside a message") {
    feed(decoder, log, kServer,
         data("\x81\x02"
              "12",
              1)
             .substr(0, 11),
         size);
    decoder.gap(kServer, 2, {}, log);
    feed(decoder, log, kServer, data(server_message, 1), size);
    CHECK(log.exchange(1).gaps[1].size() == 1);
    CHECK(log.exchange(1).messages.size() == 4);
    decoder.close({}, log);
  }
  CHECK(log.errors.empty());
  const auto& seen = log.exchange(1);
  CHECK(seen.request.protocol == Protocol::kWebSocket);
  CHECK(seen.request.path == "/v1/realtime?model=x");
  CHECK(seen.finished[0]);
  REQUIRE(seen.messages.size() >= 3);
  CHECK(seen.messages[0] == LoggedMessage{Side::kRequest, "hello", true});
  CHECK(seen.messages[1] == LoggedMessage{Side::kResponse, "{}", true});
  CHECK(seen.messages[2] == LoggedMessage{Side::kResponse, "Hello", true});
  CHECK(seen.body[0].empty());
  CHECK(seen.body[1].empty());
}

TEST_CASE("http2: a refused CONNECT is an ordinary exchange", "[unit]") {
  const std::string connect = std::string("\0\x09:protocol\x09websocket", 21) + "\x87\x84" +
                              std::string(
                                  "\x02\x07"
                                  "CONNECT",
                                  9);
  Http2Decoder decoder;
  ExchangeLog log;
  feed(decoder, log, kClient, std::string(kHttp2Preface) + settings() + frame(connect, 1, 5, 1));
  feed(decoder, log, kServer, settings() + frame("\x8c", 1, 4, 1) + data("no", 1, true));
  CHECK(log.errors.empty());
  CHECK(log.exchange(1).request.method == "CONNECT");
  CHECK(log.exchange(1).response->status == 400);
  CHECK(log.exchange(1).body[1] == "no");
  CHECK(log.exchange(1).end == End::kComplete);
}

TEST_CASE("http2: 10000 open streams are lean", "[unit]") {
  // On 200 connections, each with a small request and a small piece of its answer.
  std::size_t bytes = 0;
  const std::string small = "data: {\"delta\":\"token\"}\n\n";
  for (int connection = 0; connection < 200; ++connection) {
    Http2Decoder decoder;
    ExchangeLog log;
    std::string client = std::string(kHttp2Preface) + settings();
    std::string server = settings();
    for (std::uint32_t id = 1; id < 100; id += 2) {
      client += request(id) + data("{}", id, true);
      server += response(id) + data(small, id);
    }
    feed(decoder, log, kClient, client, 100);
    feed(decoder, log, kServer, server, 100);
    CHECK(decoder.open_streams() == 50);
    bytes += decoder.memory();
    decoder.close({}, log);
  }
  CHECK(bytes < 8 * 1024 * 1024);
}
