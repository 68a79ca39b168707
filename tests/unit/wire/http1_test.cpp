// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/http1.h"

#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "tests/support/chunker.h"
#include "tests/support/exchange_log.h"

namespace llmtap {
namespace {

using testing::ExchangeLog;
using testing::ExchangeSeen;
using testing::in_pieces;
using testing::Turn;

constexpr Direction kUp = Direction::kWrite;
constexpr Direction kDown = Direction::kRead;

ExchangeLog decode(const std::vector<Turn>& turns, std::size_t size = 0, bool close = true) {
  ExchangeLog log;
  Http1Decoder decoder;
  TimeNs now = 1;
  for (const Turn& turn : turns) {
    ++now;
    in_pieces(turn.bytes, size, [&](std::string_view piece) {
      decoder.feed(turn.direction, piece, {now, now}, log);
    });
  }
  if (close) decoder.close({now + 1, now + 1}, log);
  return log;
}

const std::string kPost =
    "POST /v1/chat HTTP/1.1\r\nHost: api.example\r\nContent-Length: 4\r\n\r\nbody";
const std::string kGet = "GET /x HTTP/1.1\r\nHost: api.example\r\n\r\n";

std::string sized(std::string_view body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

std::string chunked(const std::vector<std::string>& parts, std::string_view trailer = "") {
  std::string out = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const auto& part : parts) {
    char size[32];
    std::snprintf(size, sizeof size, "%zx\r\n", part.size());
    out += size + part + "\r\n";
  }
  return out + "0\r\n" + std::string(trailer) + "\r\n";
}

TEST_CASE("http1: body framing, at every piece size", "[unit]") {
  struct Case {
    const char* name;
    std::string request, response, response_body;
    int status;
    End end;
  };
  const Case cases[] = {
      {"sized", kPost, sized("hello"), "hello", 200, End::kComplete},
      {"empty", kPost, sized(""), "", 200, End::kComplete},
      {"chunked", kPost, chunked({"hel", "lo", std::string(300, 'x')}),
       "hello" + std::string(300, 'x'), 200, End::kComplete},
      {"chunk extension and trailer", kPost,
       "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n000\r\nX: y\r\n\r\n",
       "hello", 200, End::kComplete},
      {"chunked wins over a length", kPost,
       "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
       "abc", 200, End::kComplete},
      {"equal lengths", kPost,
       "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\ncontent-length: 2\r\n\r\nab", "ab", 200,
       End::kComplete},
      {"to the close", kPost, "HTTP/1.1 200 OK\r\n\r\nall of it", "all of it", 200, End::kComplete},
      {"HTTP/1.0", kPost, "HTTP/1.0 200 OK\r\nContent-Type: a\r\n\r\nall", "all", 200,
       End::kComplete},
      {"bare LF", "POST / HTTP/1.1\nContent-Length: 1\n\na", "HTTP/1.1 201 Created\nContent-Length: 1\n\nb",
       "b", 201, End::kComplete},
      {"no reason", kPost, "HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nb", "b", 200, End::kComplete},
      {"204", kPost, "HTTP/1.1 204 No Content\r\n\r\n", "", 204, End::kComplete},
      {"304 with a length", kPost, "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "", 304,
       End::kComplete},
      {"HEAD with a length", "HEAD / HTTP/1.1\r\n\r\n", sized("hello").substr(0, 38), "", 200,
       End::kComplete},
      {"interim responses", kPost,
       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + sized("x"), "x",
       200, End::kComplete},
      {"cut body", kPost, sized("hello").substr(0, 40), "he", 200, End::kTruncated},
      {"cut chunk", kPost, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe", "he", 200,
       End::kTruncated},
      {"cut head", kPost, "HTTP/1.1 200 OK\r\nTrans", "", 0, End::kTruncated},
      {"no response", kPost, "", "", 0, End::kTruncated},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      for (std::size_t size : {0, 1, 2, 3, 5, 7, 16, 64}) {
        CAPTURE(size);
        const ExchangeLog log = decode({{kUp, c.request}, {kDown, c.response}}, size);
        REQUIRE(log.seen.size() == 1);
        const ExchangeSeen& seen = log.seen.at(1);
        CHECK(seen.response.status == c.status);
        CHECK(seen.body[1] == c.response_body);
        CHECK(seen.end == c.end);
        CHECK(seen.ends == 1);
        CHECK(seen.after_end == 0);
        CHECK(seen.finished[1] == (c.end == End::kComplete));
        CHECK_FALSE(seen.gap[1]);
      }
    }
  }
}

TEST_CASE("http1: heads", "[unit]") {
  const auto log = decode(
      {{kUp, "POST http://Host.example:81/a?b=c HTTP/1.1\r\nHost: other\r\nX-Fold: a\r\n  b\r\n"
             "Space : v \r\nEmpty:\r\n\r\n"},
       {kDown, "HTTP/1.1 429 Too Many\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n"}});
  REQUIRE(log.seen.size() == 1);
  const RequestHead& head = log.seen.at(1).request;
  CHECK(head.method == "POST");
  CHECK(head.authority == "Host.example:81");
  CHECK(head.path == "/a?b=c");
  CHECK(head.headers == Headers{{"host", "other"}, {"x-fold", "a b"}, {"space", "v"}, {"empty", ""}});
  CHECK_FALSE(head.partial);
  CHECK(log.seen.at(1).response.status == 429);
  CHECK(find_header(log.seen.at(1).response.headers, "retry-after") == "3");
}

TEST_CASE("http1: keep-alive, pipelining and either end", "[unit]") {
  const Direction up = GENERATE(Direction::kWrite, Direction::kRead);
  const bool pipelined = GENERATE(false, true);
  const std::size_t size = GENERATE(0, 1, 3, 64);
  std::vector<Turn> turns;
  if (pipelined) {
    turns = {{up, kPost + kGet + kPost}, {opposite(up), sized("1") + chunked({"2"}) + sized("3")}};
  } else {
    turns = {{up, kPost}, {opposite(up), sized("1")},      {up, kGet}, {opposite(up), chunked({"2"})},
             {up, kPost}, {opposite(up), sized("3")}};
  }
  const auto log = decode(turns, size);
  REQUIRE(log.seen.size() == 3);
  for (int i = 1; i <= 3; ++i) {
    const ExchangeSeen& seen = log.seen.at(static_cast<StreamId>(i));
    CHECK(seen.body[1] == std::to_string(i));
    CHECK(seen.body[0] == (i == 2 ? "" : "body"));
    CHECK(seen.direction == up);
    CHECK(seen.end == End::kComplete);
    CHECK(seen.finished[0]);
  }
}

TEST_CASE("http1: bodies are not copied", "[unit]") {
  ExchangeLog log;
  Http1Decoder decoder;
  decoder.feed(kUp, kPost, {}, log);
  const std::string response = chunked({std::string(10000, 'x')});
  decoder.feed(kDown, response, {}, log);
  CHECK(log.body_calls == 2);
  CHECK(log.body_view.data() > response.data());
  CHECK(log.body_view.data() < response.data() + response.size());
}

TEST_CASE("http1: the work grows with the bytes, not faster", "[unit]") {
  // Calls of the sink stand for operations: at most one per piece and one per chunk of the body.
  for (std::size_t chunks : {10, 1000, 20000}) {
    const std::string response = chunked(std::vector<std::string>(chunks, std::string(50, 'x')));
    for (std::size_t size : {1, 16, 1024, 16384}) {
      ExchangeLog log;
      Http1Decoder decoder;
      decoder.feed(kUp, kGet, {}, log);
      std::size_t largest = 0;
      in_pieces(response, size, [&](std::string_view piece) {
        decoder.feed(kDown, piece, {}, log);
        largest = std::max(largest, decoder.memory());
      });
      CAPTURE(chunks, size);
      CHECK(log.seen.at(1).body[1].size() == chunks * 50);
      CHECK(log.body_calls <= chunks + response.size() / size + 1);
      CHECK(largest < 1024);
    }
  }
}

TEST_CASE("http1: an early answer ends the exchange", "[unit]") {
  const auto log = decode({{kUp, "POST /a HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc"},
                           {kDown, sized("no")},
                           {kUp, std::string(97, 'z') + kGet},
                           {kDown, sized("yes")}});
  REQUIRE(log.seen.size() == 2);
  CHECK(log.seen.at(1).body[0] == "abc");
  CHECK(log.seen.at(1).end == End::kComplete);
  CHECK(log.seen.at(2).body[1] == "yes");
}

TEST_CASE("http1: trailers", "[unit]") {
  for (std::size_t size : {0, 1, 3}) {
    CAPTURE(size);
    const auto log = decode(
        {{kUp, kGet},
         {kDown, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"
                 "Grpc-Status: 0\r\nX-Sum: a\r\n\r\n"},
         {kUp, kGet},
         {kDown, sized("y")}},
        size);
    REQUIRE(log.seen.size() == 2);
    CHECK(log.seen.at(1).trailers == Headers{{"grpc-status", "0"}, {"x-sum", "a"}});
    CHECK(log.seen.at(1).end == End::kComplete);
    CHECK(log.seen.at(2).trailers.empty());
    CHECK(log.seen.at(2).body[1] == "y");
  }
}

TEST_CASE("http1: tunnels", "[unit]") {
  SECTION("CONNECT") {
    const auto log = decode({{kUp, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"},
                             {kDown, "HTTP/1.1 200 Connection established\r\n\r\n"},
                             {kUp, "\x16\x03\x01 tls" + kGet},
                             {kDown, "\x16\x03\x03 tls" + sized("")}});
    REQUIRE(log.seen.size() == 1);
    CHECK(log.seen.at(1).request.authority == "a:443");
    CHECK(log.seen.at(1).end == End::kComplete);
  }
  SECTION("refused CONNECT goes on") {
    const auto log = decode({{kUp, "CONNECT a:443 HTTP/1.1\r\n\r\n"},
                             {kDown, "HTTP/1.1 407 Auth\r\nContent-Length: 1\r\n\r\nx"},
                             {kUp, kGet},
                             {kDown, sized("y")}});
    REQUIRE(log.seen.size() == 2);
    CHECK(log.seen.at(2).body[1] == "y");
  }
  SECTION("WebSocket") {
    const std::string hello = {'\x81', '\x02', 'h', 'i'};
    const std::string masked = {'\x81', '\x82', 0, 0, 0, 0, 'y', 'o'};
    for (std::size_t size : {0, 1, 5}) {
      CAPTURE(size);
      const auto log = decode(
          {{kUp, "GET /r HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"},
           {kDown, "HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n" +
                       hello},
           {kUp, masked}},
          size);
      REQUIRE(log.seen.size() == 1);
      CHECK(log.seen.at(1).messages == "<hi\n>yo\n");
      CHECK(log.seen.at(1).response.status == 101);
      CHECK(log.seen.at(1).ends == 1);
    }
  }
}

TEST_CASE("http1: late attach finds the next message", "[unit]") {
  struct Case {
    const char* name;
    Direction first;
    std::string garbage;
  };
  const Case cases[] = {
      {"in a response body", kDown, "ta: {\"x\":1}\n\nHTTP/1.1 is a protocol\nGET it\n"},
      {"in a request body", kUp, "lo\"}]}"},
      {"in a head", kUp, "en: abc\r\nAccept: */*\r\n\r\n"},
      {"in a chunked body", kDown, "xx\r\n1f\r\n0123456789012345678901234567890\r\n0\r\n\r\n"},
      {"binary", kDown, std::string("\x1f\x8b\0\n\0GET\n", 9)},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      for (std::size_t size : {0, 1, 2, 7}) {
        CAPTURE(size);
        const auto log = decode(
            {{c.first, c.garbage}, {kUp, kPost}, {kDown, sized("1")}, {kUp, kGet}, {kDown, sized("2")}},
            size);
        REQUIRE(log.seen.size() == 2);
        CHECK(log.seen.at(1).body[1] == "1");
        CHECK(log.seen.at(2).body[1] == "2");
        CHECK(log.losses.bytes(LossReason::kUnknownContext) > 0);
      }
    }
  }
  SECTION("an upgrade whose request was cut is counted, not guessed") {
    const auto log = decode(
        {{kUp, "\xff" "ET /r HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"},
         {kDown, "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x02hi"}});
    CHECK(log.seen.empty());
    CHECK(log.losses.bytes(LossReason::kUnknownContext) == 60);
    CHECK(log.losses.times(LossReason::kUnknownContext) == 2);
  }
  SECTION("an answer to an unseen request is nobody's") {
    const auto log = decode({{kDown, sized("0")}, {kUp, kGet}, {kDown, sized("1")}});
    REQUIRE(log.seen.size() == 1);
    CHECK(log.seen.at(1).body[1] == "1");
  }
}

TEST_CASE("http1: violations", "[unit]") {
  SECTION("conflicting lengths") {
    const auto log = decode(
        {{kUp, kGet}, {kDown, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc"},
         {kUp, kGet}, {kDown, sized("fine")}});
    CHECK(log.seen.at(1).end == End::kGap);
    CHECK(log.seen.at(2).body[1] == "fine");
    CHECK(log.losses.times(LossReason::kMalformedHttp) == 1);
  }
  SECTION("bad chunk size, found again at the next chunk") {
    const auto log = decode({{kUp, kGet},
                             {kDown, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
                                     "zz\r\nlost\r\n4\r\nback\r\n0\r\n\r\n"},
                             {kUp, kGet},
                             {kDown, sized("fine")}});
    CHECK(log.seen.at(1).gap[1]);
    CHECK(log.seen.at(1).body[1].find("abc") == 0);
    CHECK(log.seen.at(1).body[1].find("back") != std::string::npos);
    CHECK(log.seen.at(1).end == End::kComplete);
    CHECK(log.seen.at(2).body[1] == "fine");
  }
  SECTION("a head over its limit") {
    const std::string big = "GET / HTTP/1.1\r\nX: " + std::string(Http1Half::kMaxHead, 'x') + "\r\n\r\n";
    for (std::size_t size : {0, 1000}) {
      const auto log = decode({{kUp, kGet}, {kDown, sized("0")}, {kUp, big}, {kDown, sized("1")},
                               {kUp, kGet}, {kDown, sized("2")}}, size);
      REQUIRE(log.seen.size() == 2);
      CHECK(log.seen.at(2).body[1] == "2");
      CHECK(log.losses.bytes(LossReason::kHeaderLimit) > 0);
    }
  }
  SECTION("more headers than are kept") {
    std::string head = "POST / HTTP/1.1\r\n";
    for (int i = 0; i < 300; ++i) head += "A: b\r\n";
    const auto log = decode({{kUp, head + "Content-Length: 1\r\n\r\nx"}, {kDown, sized("1")}});
    CHECK(log.seen.at(1).request.headers.size() == kMaxHttp1Headers + 1);
    CHECK(log.seen.at(1).request.partial);
    CHECK(log.seen.at(1).body[0] == "x");
  }
  SECTION("an endless chunk line") {
    const auto log = decode({{kUp, kGet},
                             {kDown, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" +
                                         std::string(Http1Half::kMaxChunkLine, 'x')}}, 100);
    CHECK(log.losses.times(LossReason::kMalformedHttp) >= 1);
  }
  SECTION("an endless trailer") {
    const auto log = decode({{kUp, kGet},
                             {kDown, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX:" +
                                         std::string(Http1Half::kMaxTrailer, 'x')}}, 100);
    CHECK(log.losses.times(LossReason::kMalformedHttp) >= 1);
  }
  SECTION("more requests than may wait") {
    std::string many;
    for (std::size_t i = 0; i <= Http1Decoder::kMaxPipelined; ++i) many += kGet;
    const auto log = decode({{kUp, many}});
    CHECK(log.seen.size() == Http1Decoder::kMaxPipelined);
    for (const auto& [id, seen] : log.seen) CHECK(seen.ends == 1);
  }
}

}  // namespace
}  // namespace llmtap
