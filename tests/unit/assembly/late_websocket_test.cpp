// SPDX-License-Identifier: Apache-2.0
//
// A connection that is joined when it has long been a WebSocket.
#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/assembly/assembler.h"
#include "tests/support/chunker.h"
#include "tests/support/record_log.h"

namespace llmtap {
namespace {

using namespace testing;

std::string text_frame(std::string_view payload, bool masked) {
  constexpr unsigned char kKey[] = {0x1f, 0x80, 0x02, 0xc9};
  std::string out = "\x81";
  out.push_back(static_cast<char>((masked ? 0x80 : 0) | 126));
  out.push_back(static_cast<char>(payload.size() >> 8));
  out.push_back(static_cast<char>(payload.size()));
  if (!masked) return out.append(payload);
  for (const unsigned char byte : kKey) out.push_back(static_cast<char>(byte));
  for (std::size_t i = 0; i < payload.size(); ++i) {
    out.push_back(static_cast<char>(payload[i] ^ kKey[i % 4]));
  }
  return out;
}

constexpr std::string_view kCreate =
    R"({"type":"response.create","model":"gpt-5-codex","instructions":"be brief, be correct, and )"
    R"(say what you did","input":[{"type":"message","role":"user","content":)"
    R"([{"type":"input_text","text":"hi"}]}],"stream":true})";
constexpr std::string_view kDelta =
    R"({"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,)"
    R"("delta":"Hello, and this text is long enough for a frame with a length of 16 bits"})";
constexpr std::string_view kDone =
    R"({"type":"response.completed","response":{"id":"resp_1","status":"completed","model":)"
    R"("gpt-5-codex","output":[{"type":"message","id":"msg_1","role":"assistant","content":)"
    R"([{"type":"output_text","text":"Hello"}]}],"usage":{"input_tokens":5,"output_tokens":2,)"
    R"("total_tokens":7}}})";

TEST_CASE("a WebSocket joined behind its handshake gives its calls", "[unit]") {
  const Direction client = GENERATE(Direction::kWrite, Direction::kRead);
  const bool server_first = GENERATE(false, true);
  const std::size_t piece = GENERATE(std::size_t{0}, std::size_t{40});
  CAPTURE(client == Direction::kWrite, server_first, piece);
  std::vector<Turn> turns;
  // The end of an answer whose beginning we did not see.
  if (server_first) turns.push_back({opposite(client), text_frame(kDelta, false)});
  for (int i = 0; i < 2; ++i) {
    turns.push_back({client, text_frame(kCreate, true)});
    turns.push_back({opposite(client), text_frame(kDelta, false) + text_frame(kDone, false)});
  }
  RecordLog log;
  Assembler assembler({}, log);
  for (const auto& owned : to_chunks(turns, piece)) assembler.feed(owned.view());
  assembler.feed(close_chunk({100, 1, 1}, 20 * kTurnNs));
  assembler.finish(40 * kTurnNs);
  REQUIRE(log.records.size() == 2);
  for (const auto& call : log.records) {
    CHECK(call.dialect == "openai_responses");
    CHECK(call.protocol == Protocol::kWebSocket);
    CHECK(call.partial);  // its heads are unknown
    CHECK(call.end == End::kComplete);
    CHECK(call.model_requested == "gpt-5-codex");
    CHECK(call.response_id == "resp_1");
    CHECK(call.usage.output() == 2u);
  }
  CHECK(log.verdicts.at({100, 1, 1}) == std::vector{ConnVerdict::kLlm});
}

}  // namespace
}  // namespace llmtap
