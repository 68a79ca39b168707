// SPDX-License-Identifier: Apache-2.0
//
// What a connection says about itself, and what is seen of it when the kernel shows only the head
// of each turn.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "parsers/assembly/assembler.h"
#include "tests/support/chunker.h"
#include "tests/support/conversation.h"
#include "tests/support/record_log.h"

namespace llmtap {
namespace {

using namespace testing;
using enum ConnVerdict;

constexpr Direction kUp = Direction::kWrite;
constexpr Direction kDown = Direction::kRead;
constexpr ConnId kConn{100, 1, 1};
constexpr std::size_t kWatchBytes = 1024;

std::string plain_request(std::string_view path = "/index.html") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: www.example.org\r\n\r\n";
}

// The kernel's filter: under kWatch only the first 1 KiB of a turn is copied. Whether the rest of a
// turn is announced in the same chunk, or not at all, depends on how the target writes.
void feed_watched(Assembler& assembler, const RecordLog& log, const std::vector<Turn>& turns,
                  std::size_t size) {
  std::size_t shown = 0;
  std::size_t turn = 0, left = 0;
  for (const auto& owned : to_chunks(turns, size)) {
    if (left == 0) {
      left = turns[turn++].bytes.size();
      shown = 0;
    }
    left -= owned.bytes.size();
    Chunk chunk = owned.view();
    const auto it = log.verdicts.find(kConn);
    if (it != log.verdicts.end() && it->second.back() == kWatch) {
      const std::size_t room = kWatchBytes - std::min(shown, kWatchBytes);
      if (room == 0) continue;
      const std::size_t captured = std::min(room, chunk.bytes.size());
      chunk.missing = chunk.bytes.size() - captured;
      chunk.bytes = chunk.bytes.substr(0, captured);
    }
    shown += chunk.bytes.size();
    assembler.feed(chunk);
  }
}

TEST_CASE("verdicts", "[unit]") {
  struct Case {
    const char* name;
    std::vector<Turn> turns;
    std::vector<ConnVerdict> expected;
  };
  std::vector<Turn> redis, smtp;
  for (int i = 0; i < 5; ++i) {
    redis.push_back({kUp, "*1\r\n$4\r\nPING\r\n"});
    redis.push_back({kDown, "+PONG\r\n"});
    smtp.push_back({kDown, "250 fine\r\n"});
    smtp.push_back({kUp, "RCPT TO:<a@b>\r\n"});
  }
  const Case cases[] = {
      {"LLM path, by the head alone", {{kUp, chat_request("x").substr(0, 120)}}, {kLlm}},
      {"plain HTTP", {{kUp, plain_request()}, {kDown, sized_response("{}")}}, {kWatch}},
      {"LLM after plain HTTP",
       {{kUp, plain_request()}, {kDown, sized_response("{}")}, {kUp, chat_request("x")}},
       {kWatch, kLlm}},
      {"LLM stays",
       {{kUp, chat_request("x")}, {kDown, chat_response("a", "b")}, {kUp, plain_request()},
        {kDown, sized_response("{}")}},
       {kLlm}},
      {"text that is not HTTP", redis, {kIgnore}},
      {"server first", smtp, {kIgnore}},
      {"a lot of something", {{kDown, std::string(2 << 20, 'x')}}, {kWatch}},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      RecordLog log;
      Assembler assembler({}, log);
      for (const auto& owned : to_chunks(c.turns, 16384)) assembler.feed(owned.view());
      CHECK(log.verdicts[kConn] == c.expected);
    }
  }
}

TEST_CASE("watched: aligned behind bodies that are not shown, and back in time", "[unit]") {
  const std::size_t size = GENERATE(0, 700, 1024, 4096);
  const bool chunked = GENERATE(false, true);
  CAPTURE(size, chunked);
  const std::string big(50000, 'x');
  const std::string answer = chunked ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
                                           http_chunk(big) + http_chunk(big) + "0\r\n\r\n"
                                     : sized_response(big);
  const std::string upload = "PUT /file HTTP/1.1\r\nHost: www.example.org\r\nContent-Length: 50000\r\n\r\n" + big;
  const std::vector<Turn> turns = {
      {kUp, plain_request()}, {kDown, answer}, {kUp, upload}, {kDown, answer},
      {kUp, plain_request()}, {kDown, answer}, {kUp, chat_request("two")},
      {kDown, chat_response("b", "zwei")},     {kUp, chat_request("three")},
      {kDown, chat_response("c", "drei")},
  };
  RecordLog log;
  Assembler assembler({}, log);
  feed_watched(assembler, log, turns, size);
  REQUIRE(log.records.size() == 2);
  CHECK(log.verdicts[kConn] == std::vector{kWatch, kLlm});
  CHECK(log.records[0].response_id == "b");
  CHECK(log.records[1].response_id == "c");
  CHECK_FALSE(log.records[0].partial);
  CHECK_FALSE(log.records[1].partial);
  CHECK(log.losses.bytes(LossReason::kGap) == 0);
}

TEST_CASE("watched: a call whose request is cut is known by its path", "[unit]") {
  // Head and body in one write of more than is shown, the head itself may be longer too.
  const std::string padding = GENERATE(std::string(), "X-Pad: " + std::string(2000, 'p') + "\r\n");
  const std::vector<Turn> turns = {
      {kUp, plain_request()},
      {kDown, sized_response("{}")},
      {kUp, chat_request(std::string(5000, 'q'), false, padding)},
      {kDown, chat_response("b", "zwei")},
      {kUp, chat_request("three")},
      {kDown, chat_response("c", "drei")},
  };
  RecordLog log;
  Assembler assembler({}, log);
  feed_watched(assembler, log, turns, 0);
  REQUIRE(log.records.size() == 2);
  CHECK(log.records[0].partial);
  CHECK(log.records[0].dialect == "openai_chat");
  CHECK(log.records[0].response_id == "b");
  CHECK(log.records[0].usage.input() == 5);
  CHECK_FALSE(log.records[1].partial);
}

}  // namespace
}  // namespace llmtap
