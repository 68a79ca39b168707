// SPDX-License-Identifier: Apache-2.0
//
// How calls end when their framing does not end them: closes, exits, losses, and our own limits.
#include <malloc.h>

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "parsers/assembly/assembler.h"
#include "parsers/stream/byte_stream.h"
#include "tests/support/chunker.h"
#include "tests/support/conversation.h"
#include "tests/support/record_log.h"

namespace llmtap {
namespace {

using namespace testing;

constexpr Direction kUp = Direction::kWrite;
constexpr Direction kDown = Direction::kRead;
constexpr ConnId kConn{100, 1, 1};

Chunk end_of_stream(ConnId conn, TimeNs ns) {
  Chunk chunk;
  chunk.conn = conn;
  chunk.direction = kDown;
  chunk.begin_ns = chunk.end_ns = ns;
  return chunk;
}

Chunk process_exit(std::uint32_t tgid, TimeNs ns) {
  Chunk chunk = close_chunk({tgid, 0, 0}, ns);
  chunk.kind = ChunkKind::kProcessExit;
  return chunk;
}

void feed(Assembler& assembler, const std::vector<Turn>& turns, ConnId conn = kConn,
          TimeNs start = kTurnNs) {
  for (const auto& owned : to_chunks(turns, 0, conn, start)) assembler.feed(owned.view());
}

std::vector<Turn> half_answered(Direction up) {
  return {{up, chat_request("hi", true)},
          {opposite(up), stream_head() + stream_event("a", "He")},
          {opposite(up), stream_event("a", "ll")}};
}

TEST_CASE("a call that is cut is reported at once, with whose fault it was", "[unit]") {
  enum class Event { kClose, kExit, kPeerThenClose };
  struct Case {
    const char* name;
    Direction up;  // kWrite: the client is observed
    Event event;
    End expected;
  };
  const Case cases[] = {
      {"client closes", kUp, Event::kClose, End::kCancelled},
      {"client exits", kUp, Event::kExit, End::kCancelled},
      {"server cuts", kUp, Event::kPeerThenClose, End::kTruncated},
      {"observed server closes", kDown, Event::kClose, End::kTruncated},
      {"observed server exits", kDown, Event::kExit, End::kTruncated},
      {"client of an observed server leaves", kDown, Event::kPeerThenClose, End::kCancelled},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      RecordLog log;
      Assembler assembler({}, log);
      feed(assembler, half_answered(c.up));
      CHECK(log.records.empty());
      switch (c.event) {
        case Event::kExit: assembler.feed(process_exit(100, 9 * kTurnNs)); break;
        case Event::kPeerThenClose: assembler.feed(end_of_stream(kConn, 9 * kTurnNs)); [[fallthrough]];
        case Event::kClose: assembler.feed(close_chunk(kConn, 9 * kTurnNs)); break;
      }
      assembler.advance(10 * kTurnNs);
      REQUIRE(log.records.size() == 1);
      CHECK(log.records[0].end == c.expected);
      CHECK(log.records[0].timing.first_token.has_value());
      CHECK(log.records[0].output.at(0).parts.at(0).text == "Hell");
      CHECK(assembler.connections() == 0);
    }
  }
}

TEST_CASE("a body to the close is whole at the server's end of stream", "[unit]") {
  RecordLog log;
  Assembler assembler({}, log);
  feed(assembler, {{kUp, chat_request("hi")},
                   {kDown, "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" +
                               chat_answer_body("a", "b")}});
  CHECK(log.records.empty());
  assembler.feed(end_of_stream(kConn, 5 * kTurnNs));
  REQUIRE(log.records.size() == 1);
  CHECK(log.records[0].end == End::kComplete);
  CHECK_FALSE(log.records[0].partial);
}

TEST_CASE("an exit ends the connections of that process only", "[unit]") {
  RecordLog log;
  Assembler assembler({}, log);
  for (std::uint32_t tgid : {99, 100, 101}) {
    for (std::uint64_t conn : {1, 2}) feed(assembler, half_answered(kUp), {tgid, conn, 1});
  }
  assembler.feed(process_exit(100, 9 * kTurnNs));
  CHECK(log.records.size() == 2);
  CHECK(assembler.connections() == 4);
  for (const auto& call : log.records) CHECK(call.conn.tgid == 100);
}

TEST_CASE("an address that is used again is another connection", "[unit]") {
  RecordLog log;
  Assembler assembler({}, log);
  feed(assembler, half_answered(kUp), {100, 1, 1});
  feed(assembler, {{kUp, chat_request("x")}, {kDown, chat_response("b", "y")}}, {100, 1, 2});
  REQUIRE(log.records.size() == 1);
  CHECK(log.records[0].response_id == "b");
}

TEST_CASE("swapped chunks are put in order, an answer never overtakes its request", "[unit]") {
  const std::string request = chat_request("hi"), answer = chat_response("a", "b");
  const auto chunk = [](Direction direction, std::uint64_t offset, std::string_view bytes, TimeNs ns) {
    Chunk out;
    out.conn = kConn;
    out.direction = direction;
    out.offset = offset;
    out.bytes = bytes;
    out.begin_ns = out.end_ns = ns;
    return out;
  };
  RecordLog log;
  Assembler assembler({}, log);
  const std::string_view all = request;
  assembler.feed(chunk(kUp, 0, all.substr(0, 20), 100));
  assembler.feed(chunk(kUp, 40, all.substr(40), 101));
  assembler.feed(chunk(kDown, 0, answer, 102));
  CHECK(log.records.empty());
  SECTION("the hole is filled") {
    assembler.feed(chunk(kUp, 20, all.substr(20, 20), 103));
    REQUIRE(log.records.size() == 1);
    CHECK_FALSE(log.records[0].partial);
  }
  SECTION("the hole stays: time tells") {
    assembler.advance(102 + ByteStream::kReorderNs);
    CHECK(log.losses.bytes(LossReason::kGap) == 20);
    CHECK(assembler.losses().bytes(LossReason::kGap) == 20);
  }
  SECTION("the hole stays: the connection ends") {
    assembler.feed(close_chunk(kConn, 103));
    CHECK(log.losses.bytes(LossReason::kGap) == 20);
  }
  CHECK(assembler.memory() < 200'000);
}

TEST_CASE("what waits for the other direction's hole is bounded", "[unit]") {
  Limits limits;
  limits.reorder_bytes = 16 << 10;
  RecordLog log;
  Assembler assembler(limits, log);
  auto talk = to_chunks({{kUp, chat_request("one")}, {kUp, chat_request("two")},
                         {kDown, chat_response("a", std::string(64 << 10, 'x'))}},
                        1024);
  for (auto& owned : talk) {
    owned.chunk.begin_ns = owned.chunk.end_ns = kTurnNs;  // no time passes
    const bool second = owned.chunk.direction == kUp && owned.chunk.offset > 0;
    if (second) owned.chunk.offset += 10;  // a hole that nothing fills
    assembler.feed(owned.view());
    CHECK(assembler.memory() < (std::size_t{160} << 10));
  }
  CHECK(log.losses.bytes(LossReason::kGap) == 10);  // given up, although no time has passed
}

TEST_CASE("idle connections are evicted by event time", "[unit]") {
  Limits limits;
  limits.idle_ns = 60 * kTurnNs;
  RecordLog log;
  Assembler assembler(limits, log);
  feed(assembler, half_answered(kUp), {100, 1, 1});
  feed(assembler, {{kUp, chat_request("x")}, {kDown, chat_response("b", "y")}}, {100, 2, 1});
  assembler.advance(60 * kTurnNs);
  CHECK(assembler.connections() == 2);
  assembler.advance(100 * kTurnNs);
  CHECK(assembler.connections() == 0);
  REQUIRE(log.records.size() == 2);
  CHECK(log.records[1].end == End::kEvicted);
  CHECK(log.records[1].partial);
  CHECK(log.losses.times(LossReason::kIdle) == 1);  // the other one had nothing open
  // It comes back in the middle: the next call is whole.
  for (auto owned : to_chunks({{kUp, chat_request("again")}, {kDown, chat_response("c", "z")}}, 0,
                              {100, 1, 1}, 200 * kTurnNs)) {
    owned.chunk.offset += 5000;
    assembler.feed(owned.view());
  }
  assembler.advance(300 * kTurnNs);
  REQUIRE(log.records.size() == 3);
  CHECK(log.records[2].response_id == "c");
  CHECK_FALSE(log.records[2].partial);
}

TEST_CASE("limits on connections and memory evict the least recently used", "[unit]") {
  Limits limits;
  RecordLog log;
  SECTION("connections") {
    limits.connections = 3;
    Assembler assembler(limits, log);
    for (std::uint64_t i = 1; i <= 3; ++i) feed(assembler, half_answered(kUp), {100, i, 1});
    for (auto owned : to_chunks({{kDown, stream_event("a", "x")}}, 0, {100, 1, 1})) {
      owned.chunk.offset = (stream_head() + stream_event("a", "He") + stream_event("a", "ll")).size();
      assembler.feed(owned.view());  // the oldest is used
    }
    feed(assembler, half_answered(kUp), {100, 4, 1});
    CHECK(assembler.connections() == 3);
    REQUIRE(log.records.size() == 1);
    CHECK(log.records[0].conn.conn == 2);
    CHECK(log.records[0].end == End::kEvicted);
    CHECK(log.losses.times(LossReason::kConnectionLimit) == 1);
  }
  SECTION("memory") {
    limits.total_bytes = 1 << 20;
    Assembler assembler(limits, log);
    const std::string upload = chat_request(std::string(300'000, 'x'));
    for (std::uint64_t i = 1; i <= 8; ++i) {
      feed(assembler, {{kUp, upload.substr(0, upload.size() - 1)}}, {100, i, 1});
      CHECK(assembler.memory() <= limits.total_bytes + 400'000);
    }
    CHECK(assembler.connections() < 4);
    CHECK(log.records.size() + assembler.connections() == 8);
  }
}

TEST_CASE("10,000 open streams with small messages fit in 64 MiB", "[unit]") {
  constexpr std::uint64_t kCount = 10'000;
  RecordLog log;
  Assembler assembler({}, log);
  std::vector<std::vector<OwnedChunk>> talks;
  const std::size_t before = mallinfo2().uordblks;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    feed(assembler, half_answered(kUp), {100, i, 1});
  }
  const std::size_t used = mallinfo2().uordblks - before;
  CAPTURE(used / kCount, assembler.memory() / kCount);
  CHECK(assembler.connections() == kCount);
  CHECK(used < std::size_t{64} << 20);
  CHECK(assembler.memory() < std::size_t{64} << 20);
  CHECK(assembler.memory() > used / 2);  // the budget knows what is held
  assembler.finish(10 * kTurnNs);
  CHECK(log.records.size() == kCount);
  CHECK(assembler.memory() == 0);
}

TEST_CASE("10,000 idle keep-alive connections", "[unit]") {
  constexpr std::uint64_t kCount = 10'000;
  RecordLog log;
  Assembler assembler({}, log);
  const std::size_t before = mallinfo2().uordblks;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    feed(assembler, {{kUp, chat_request("x")}, {kDown, chat_response("b", "y")}}, {100, i, 1});
    log.records.clear();
    log.verdicts.clear();
  }
  const std::size_t used = mallinfo2().uordblks - before;
  CAPTURE(used / kCount);
  CHECK(used < kCount * 2048);
}

}  // namespace
}  // namespace llmtap
