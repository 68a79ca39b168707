// SPDX-License-Identifier: Apache-2.0
#include "parsers/assembly/assembler.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/support/chunker.h"
#include "tests/support/conversation.h"
#include "tests/support/record_log.h"

namespace llmtap {
namespace {

using namespace testing;

constexpr Direction kUp = Direction::kWrite;
constexpr Direction kDown = Direction::kRead;
constexpr ConnId kConn{100, 1, 1};

std::string text_of(const CallRecord& call) {
  std::string text;
  for (const auto& message : call.output) {
    for (const auto& part : message.parts) text += part.text;
  }
  return text;
}

void feed(Assembler& assembler, const std::vector<Turn>& turns, std::size_t size = 0,
          ConnId conn = kConn, TimeNs start = kTurnNs) {
  for (const auto& owned : to_chunks(turns, size, conn, start)) assembler.feed(owned.view());
}

const std::vector<Turn> kTwoCalls = {
    {kUp, chat_request("one")},       {kDown, chat_response("a", "eins")},
    {kUp, chat_request("two", true)}, {kDown, stream_head() + stream_event("b", "zw")},
    {kDown, stream_event("b", "ei")}, {kDown, stream_end("b")},
};

// The last pieces of a request are too short to tell what they are: they are held, not forgotten.
TEST_CASE("assembler: a connection that ends under short pieces", "[unit]") {
  const auto size = GENERATE(range(std::size_t{1}, std::size_t{12}));
  RecordLog log;
  Assembler assembler({}, log);
  const std::string head = "POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n"
                           "Content-Type: application/json\r\nContent-Length: 84\r\n\r\n";
  for (const auto& chunk : to_chunks({{Direction::kWrite, head}}, size)) assembler.feed(chunk.view());
  assembler.finish(10 * kTurnNs);
  CHECK(log.records.size() == 1);
}

TEST_CASE("assembler: a keep-alive connection gives one record per call", "[unit]") {
  RecordLog whole;
  {
    Assembler assembler({}, whole);
    feed(assembler, kTwoCalls);
    CHECK(whole.records.size() == 2);  // at once, not at the close
    assembler.feed(close_chunk(kConn, 20 * kTurnNs));
    CHECK(assembler.connections() == 0);
    CHECK(assembler.memory() == 0);
  }
  REQUIRE(whole.records.size() == 2);
  CHECK(text_of(whole.records[0]) == "eins");
  CHECK(text_of(whole.records[1]) == "zwei");
  CHECK(whole.records[0].usage.input() == 5);
  CHECK_FALSE(whole.records[0].partial);
  CHECK(whole.records[0].end == End::kComplete);
  CHECK(whole.records[0].timing.request_start == 1 * kTurnNs);
  CHECK(whole.records[0].timing.end == 2 * kTurnNs);
  CHECK(whole.records[1].timing.first_token == 4 * kTurnNs);
  CHECK(whole.records[1].timing.end == 6 * kTurnNs);
  CHECK(whole.verdicts[kConn] == std::vector{ConnVerdict::kLlm});
  for (std::size_t size : piece_sizes()) {
    RecordLog log;
    Assembler assembler({}, log);
    feed(assembler, kTwoCalls, size);
    CAPTURE(size);
    CHECK(log.records == whole.records);
  }
}

// Binary bytes that look like frames; then the connection turns out to be HTTP/1.
TEST_CASE("assembler: bytes held back behind a guess of HTTP/2 stay harmless", "[unit]") {
  const std::string ping("\0\0\x08\x06\0\0\0\0\0" "12345678", 17);
  for (const std::size_t size : {0, 1, 7}) {
    CAPTURE(size);
    RecordLog log;
    Assembler assembler({}, log);
    std::vector<Turn> turns = {{Direction::kWrite, std::string("\x01\x02", 2)},  // too short to tell
                               {Direction::kRead, ping + ping},                  // the guess
                               {Direction::kWrite, chat_request("hi")},
                               {Direction::kRead, chat_response("a", "b")}};
    for (const auto& owned : to_chunks(turns, size)) assembler.feed(owned.view());
    assembler.finish(9 * kTurnNs);
    if (size == 0) REQUIRE(log.records.size() == 1);
    for (const auto& call : log.records) CHECK(call.response_id == "a");
  }
}

}  // namespace
}  // namespace llmtap
