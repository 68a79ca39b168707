// SPDX-License-Identifier: Apache-2.0
//
// What the assembler does about chunks that never come: every byte is accounted for, and only the
// calls that lost bytes are touched.
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "parsers/assembly/assembler.h"
#include "tests/support/conversation.h"
#include "tests/support/record_log.h"

namespace llmtap {
namespace {

using namespace testing;

constexpr TimeNs kMs = 1'000'000;

// Keep-alive calls as python's http.client makes them: head and body of the request are written
// apart, the answer is read in two pieces.
std::vector<Chunk> calls_on_one_connection(std::vector<std::string>& texts, int calls) {
  struct Piece {
    Direction direction;
    std::size_t text;
  };
  std::vector<Piece> pieces;
  const auto add = [&](Direction direction, const std::string& all) {
    const auto end = all.find("\r\n\r\n") + 4;
    for (const auto& text : {all.substr(0, end), all.substr(end)}) {
      pieces.push_back({direction, texts.size()});
      texts.push_back(text);
    }
  };
  for (int i = 0; i < calls; ++i) {
    const auto id = std::to_string(i);
    add(Direction::kWrite, chat_request("call " + id));
    add(Direction::kRead, chat_response(id, "answer " + id));
  }
  std::vector<Chunk> chunks;
  std::uint64_t offsets[2] = {0, 0};
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    Chunk chunk;
    chunk.conn = {10, 1, 1};
    chunk.direction = pieces[i].direction;
    chunk.bytes = texts[pieces[i].text];
    chunk.begin_ns = chunk.end_ns = (100 + i) * kMs;
    auto& offset = offsets[static_cast<std::size_t>(chunk.direction)];
    chunk.offset = offset;
    offset += chunk.bytes.size();
    chunks.push_back(chunk);
  }
  return chunks;
}

TEST_CASE("loss: one chunk of a connection", "[unit]") {
  constexpr int kCalls = 20;
  const auto lost = GENERATE(range(20, 28));  // of two calls in the middle
  RecordLog log;
  Assembler assembler({}, log);
  std::vector<std::string> texts;
  texts.reserve(4 * kCalls);
  const auto chunks = calls_on_one_connection(texts, kCalls);
  for (int i = 0; i < static_cast<int>(chunks.size()); ++i)
    if (i != lost) assembler.feed(chunks[static_cast<std::size_t>(i)]);
  assembler.finish(10'000 * kMs);
  INFO("lost " << lost);
  int whole = 0;
  for (const auto& record : log.records) whole += record.partial ? 0 : 1;
  CHECK(whole >= kCalls - 2);
  CHECK(log.records.size() >= kCalls - 1);
}

TEST_CASE("loss: every byte is accounted for", "[unit]") {
  constexpr int kCalls = 60;
  const auto seed = GENERATE(range(0U, 20U));
  RecordLog log;
  Assembler assembler({}, log);
  std::vector<std::string> texts;
  texts.reserve(4 * kCalls);
  std::mt19937 random(seed);
  std::uint64_t fed = 0;
  for (const auto& chunk : calls_on_one_connection(texts, kCalls)) {
    if (random() % 20 == 0) continue;
    fed += chunk.bytes.size();
    assembler.feed(chunk);
  }
  assembler.finish(10'000 * kMs);
  const auto& counts = assembler.stream_counts();
  CHECK(counts.parsed + counts.skipped + counts.repeated == fed);
  CHECK(log.records.size() >= kCalls * 3 / 4);
}

}  // namespace
}  // namespace llmtap
