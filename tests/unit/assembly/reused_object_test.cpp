// SPDX-License-Identifier: Apache-2.0
//
// A TLS object that is freed unseen, and another connection's at the same address: BoringSSL without
// symbols shows no SSL_free. An HTTP/2 preface tells the two apart.
#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "parsers/assembly/assembler.h"
#include "tests/support/conversation.h"
#include "tests/support/record_log.h"
#include "tests/support/reframe.h"

namespace llmtap {
namespace {

using namespace testing;

Plain chat(const std::string& name) {
  Plain call;
  call.request = {Protocol::kHttp2, "POST", "api.openai.com", "/v1/chat/completions",
                  {{"content-type", "application/json"}, {"x-name", name}}};
  call.request_body = chat_body("ask " + name);
  call.response = {200, {{"content-type", "application/json"}}};
  call.response_body = chat_answer_body(name, "answer " + name);
  return call;
}

void feed(Assembler& assembler, const std::vector<Turn>& turns, std::size_t size, ConnId conn) {
  for (const auto& chunk : to_chunks(turns, size, conn)) assembler.feed(chunk.view());
}

// Each begins at the offsets where the one before was left.
std::vector<Turn> one_behind_the_other(bool cut) {
  std::vector<Turn> turns = http2_turns({chat("a"), chat("b")}, 4096);
  if (cut) turns.pop_back();  // the first ended before its answers
  for (const Turn& turn : http2_turns({chat("c"), chat("d")}, 4096)) turns.push_back(turn);
  return turns;
}

TEST_CASE("reused TLS object: another HTTP/2 connection", "[unit]") {
  const auto direction = GENERATE(Direction::kWrite, Direction::kRead);
  const auto size = GENERATE(std::size_t{0}, std::size_t{1000});
  const bool cut = GENERATE(false, true);
  RecordLog log;
  Assembler assembler({}, log);
  auto turns = one_behind_the_other(cut);
  if (direction == Direction::kRead) {
    for (Turn& turn : turns) turn.direction = opposite(turn.direction);
  }
  feed(assembler, turns, size, {100, 1, 1});
  assembler.finish(100 * kTurnNs);
  REQUIRE(log.records.size() == 4);
  for (const auto& call : log.records) {
    CAPTURE(call.input.at(0).parts.at(0).text);
    const bool first = call.input[0].parts[0].text < "ask c";
    CHECK(call.end == (!cut || !first            ? End::kComplete
                       : direction == Direction::kWrite ? End::kCancelled
                                                        : End::kTruncated));
    CHECK_FALSE(call.partial);
    CHECK(call.request_headers.size() == 2);
  }
}

// The peer's end was seen under an open call: whatever comes then is another connection's.
TEST_CASE("reused TLS object: behind the peer's end", "[unit]") {
  const bool http2 = GENERATE(true, false);
  RecordLog log;
  Assembler assembler({}, log);
  auto turns = http2_turns({chat("a")}, 4096);
  turns.pop_back();
  const std::size_t before = turns.size();
  if (http2) {
    for (const Turn& turn : http2_turns({chat("b")}, 4096)) turns.push_back(turn);
  } else {
    turns.push_back({Direction::kWrite, chat_request("ask b")});
    turns.push_back({Direction::kRead, chat_response("b", "answer b")});
  }
  std::size_t at = 0;
  for (const auto& chunk : to_chunks(turns, 0, {100, 1, 1})) {
    if (at++ == before) {
      Chunk end;
      end.conn = {100, 1, 1};
      end.direction = Direction::kRead;
      end.begin_ns = end.end_ns = chunk.chunk.begin_ns - 1;
      assembler.feed(end);
      CHECK(log.records.size() == 1);
    }
    assembler.feed(chunk.view());
  }
  assembler.finish(100 * kTurnNs);
  REQUIRE(log.records.size() == 2);
  CHECK(log.records[0].end == End::kTruncated);
  CHECK(log.records[1].end == End::kComplete);
  CHECK(log.records[1].response_id == "b");
}

// A client of HTTP/1 gives a call up, and its next connection has the address of the last.
TEST_CASE("reused TLS object: an answer that was given up", "[unit]") {
  const auto direction = GENERATE(Direction::kWrite, Direction::kRead);
  const auto cut = GENERATE(as<std::string>{}, chat_response("a", "a long answer").substr(0, 150),
                            stream_head() + stream_event("a", "a long").substr(0, 60),
                            stream_head() + stream_event("a", "a long"));
  RecordLog log;
  Assembler assembler({}, log);
  feed(assembler,
       {{direction, chat_request("ask a")},
        {opposite(direction), cut},
        {direction, chat_request("ask b")},
        {opposite(direction), chat_response("b", "answer b")},
        {direction, chat_request("ask c")},
        {opposite(direction), chat_response("c", "answer c")}},
       0, {100, 1, 1});
  assembler.finish(100 * kTurnNs);
  REQUIRE(log.records.size() == 3);
  CHECK(log.records[0].end == End::kCancelled);
  CHECK(log.records[1].response_id == "b");
  CHECK(log.records[1].end == End::kComplete);
  CHECK_FALSE(log.records[1].partial);
  CHECK(log.records[2].response_id == "c");
}

// Both ends on this node: the streams' numbers begin anew, and neither end is reported twice.
TEST_CASE("reused TLS object: both ends of both connections", "[unit]") {
  RecordLog log;
  Assembler assembler({}, log);
  const auto turns = one_behind_the_other(false);
  const auto client = to_chunks(turns, 0, {100, 1, 1});
  auto mirrored = turns;
  for (Turn& turn : mirrored) turn.direction = opposite(turn.direction);
  const auto server = to_chunks(mirrored, 0, {200, 1, 1}, kTurnNs + 1000);
  for (std::size_t i = 0; i < client.size(); ++i) {
    assembler.feed(client[i].view());
    assembler.feed(server[i].view());
  }
  assembler.finish(100 * kTurnNs);
  CHECK(log.records.size() == 4);
  std::set<std::string> ids;
  for (const auto& call : log.records) {
    CHECK(call.observed == ObservedEnd::kClient);
    CHECK(static_cast<bool>(call.server));
    ids.insert(call.response_id);
  }
  CHECK(ids.size() == 4);
}

}  // namespace
}  // namespace llmtap
