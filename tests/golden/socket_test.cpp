// SPDX-License-Identifier: Apache-2.0
//
// Recorded streams of the Responses API, as its WebSocket carries them: one text message per
// request, one per event. Same calls, whatever carries the socket and however its frames are made;
// joined late or with losses nothing is made up.
#include <algorithm>
#include <catch2/catch.hpp>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "parsers/body/body_decoder.h"
#include "parsers/body/content_coding.h"
#include "parsers/stream/byte_stream.h"
#include "tests/golden/corpus.h"
#include "tests/unit/wire/websocket_frames.h"

namespace llmtap::testing {
namespace {

namespace ws = test::ws;

struct Call {
  std::string request;              // the client's message
  std::vector<std::string> events;  // the server's
  CallRecord expected;
};

// What does not depend on the transport.
CallRecord essence(const CallRecord& call) {
  CallRecord out;
  out.provider = call.provider;
  out.dialect = call.dialect;
  out.operation = call.operation;
  out.model_requested = call.model_requested;
  out.model_served = call.model_served;
  out.input = call.input;
  out.output = call.output;
  out.tools = call.tools;
  out.usage = call.usage;
  out.finish_reason = call.finish_reason;
  out.error = call.error;
  out.response_id = call.response_id;
  return out;
}

struct Events final : BodySink {
  void event(const BodyEvent& event) override { data.emplace_back(event.data); }
  void loss(LossReason, std::uint64_t) override {}
  std::vector<std::string> data;
};

std::vector<std::string> events_of(const Plain& plain) {
  Events events;
  ContentCoding coding(plain.response.headers);
  const auto decoder = make_body_decoder(BodyKind::kSse, plain.response.headers, {});
  coding.feed(plain.response_body,
              [&](std::string_view part) { decoder->feed(part, 1, events); });
  decoder->finish(1, true, events);
  std::erase(events.data, "[DONE]");
  return events.data;
}

// Absent: not a streamed answer of the Responses API.
std::optional<Call> as_call(const Plain& plain) {
  const auto type = find_header(plain.response.headers, "content-type").value_or("");
  const bool streamed = type.starts_with("text/event-stream") && plain.response.status == 200;
  if (!streamed || !plain.request.path.ends_with("/responses")) return std::nullopt;
  if (!plain.request_body.starts_with('{')) return std::nullopt;
  const Outcome outcome = folded(plain, Protocol::kHttp1);
  if (outcome.records.size() != 1) return std::nullopt;
  return Call{R"({"type":"response.create",)" + plain.request_body.substr(1), events_of(plain),
              essence(outcome.records[0])};
}

struct Style {
  const char* name;
  const char* extensions;  // of the 101; "": none
  bool client_context, server_context;
  std::size_t fragment;  // payload bytes of a frame; 0: the message
  bool pings;
};

constexpr Style kStyles[] = {
    {"plain", "", true, true, 0, false},
    {"fragments with pings between", "", true, true, 100, true},
    {"deflate", "permessage-deflate", true, true, 0, false},
    {"deflate without context",
     "permessage-deflate; client_no_context_takeover; server_no_context_takeover", false, false, 0,
     true},
    {"deflate, the server's context alone, fragments",
     "permessage-deflate; client_no_context_takeover", false, true, 300, true},
};

// One side's messages as frames.
class Sender {
 public:
  Sender(Side side, const Style& style)
      : side_(side),
        style_(style),
        deflate_(15, side == Side::kRequest ? style.client_context : style.server_context) {}

  std::string operator()(const std::string& message) {
    const bool packed = *style_.extensions != '\0';
    const std::string payload = packed ? deflate_(message) : message;
    std::string out;
    for (std::size_t at = 0; at == 0 || at < payload.size();) {
      const std::size_t size = style_.fragment == 0 ? payload.size() : style_.fragment;
      ws::Frame frame{payload.substr(at, size), at == 0 ? 1 : 0, at + size >= payload.size(),
                      packed && at == 0};
      out += ws::encode(side_, frame, 0x9e3779b9u + static_cast<std::uint32_t>(at));
      if (style_.pings) out += ws::encode(side_, {"are you there", 9, true, false});
      at += std::max<std::size_t>(size, 1);
    }
    return out;
  }

 private:
  Side side_;
  const Style& style_;
  ws::Compressor deflate_;
};

std::vector<Turn> frames_of(const std::vector<Call>& calls, const Style& style) {
  Sender client(Side::kRequest, style), server(Side::kResponse, style);
  std::vector<Turn> turns;
  for (const Call& call : calls) {
    turns.push_back({Direction::kWrite, client(call.request)});
    for (const std::string& event : call.events) {
      turns.push_back({Direction::kRead, server(event)});
    }
  }
  return turns;
}

Plain handshake(const Style& style) {
  Plain plain;
  plain.request.method = "GET";
  plain.request.authority = "api.openai.com";
  plain.request.path = "/v1/responses";
  if (*style.extensions != '\0') {
    plain.response.headers = {{"sec-websocket-extensions", style.extensions}};
  }
  return plain;
}

std::vector<Turn> turns_of(const std::vector<Call>& calls, const Style& style, bool over_http2) {
  const auto inside = frames_of(calls, style);
  return over_http2 ? Http2Wire().socket(handshake(style), inside)
                    : http1_socket(handshake(style), inside);
}

// Every such call of the corpus, at most `most` on one socket.
std::vector<std::vector<Call>> sessions(std::size_t most) {
  std::vector<std::vector<Call>> out(1);
  for_each_batch([&](const std::vector<Plain>& batch) {
    for (const Plain& plain : batch) {
      auto call = as_call(plain);
      if (!call || call->expected.provider != "openai") continue;
      if (out.back().size() == most) out.emplace_back();
      out.back().push_back(std::move(*call));
    }
  });
  return out;
}

TEST_CASE("socket: recorded Responses streams as WebSocket messages", "[golden]") {
  std::size_t count = 0;
  for (const auto& calls : sessions(8)) {
    count += calls.size();
    for (const Style& style : kStyles) {
      for (const bool over_http2 : {false, true}) {
        for (const std::size_t size : {0, 1400}) {
          CAPTURE(style.name, over_http2, size);
          const Outcome got = assembled(turns_of(calls, style, over_http2), size);
          REQUIRE(got.records.size() == calls.size());
          for (std::size_t i = 0; i < calls.size(); ++i) {
            const bool same = essence(got.records[i]) == calls[i].expected;
            CAPTURE(i, calls[i].expected.response_id);
            if (!same) CHECK(same);
            if (got.records[i].partial) CHECK_FALSE(got.records[i].partial);
            if (got.records[i].end != End::kComplete) CHECK(got.records[i].end == End::kComplete);
          }
        }
      }
    }
  }
  CHECK(count > 20);
}

// Without chunks [from, to) of each burst; `late`: the first burst is before we came.
std::string check_damaged(const std::vector<Call>& calls, const std::vector<OwnedChunk>& chunks,
                          const std::vector<std::pair<std::size_t, std::size_t>>& bursts,
                          bool late) {
  RecordLog log;
  Assembler assembler({}, log);
  std::uint64_t skipped[2] = {0, 0};
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    Chunk chunk = chunks[i].view();
    chunk.begin_ns = chunk.end_ns = kTurnNs + i * 2 * ByteStream::kReorderNs;
    const auto direction = static_cast<std::size_t>(chunk.direction);
    const auto covers = [i](const auto& burst) { return i >= burst.first && i < burst.second; };
    if (std::any_of(bursts.begin(), bursts.end(), covers)) {
      if (late && covers(bursts.front())) skipped[direction] = chunk.offset + chunk.bytes.size();
      continue;
    }
    chunk.offset -= skipped[direction];
    assembler.feed(chunk);
  }
  assembler.finish(kTurnNs * 1000);
  std::vector<CallRecord> expected;
  for (const Call& call : calls) expected.push_back(call.expected);
  for (const auto& call : log.records) {
    if (call.partial || call.end != End::kComplete) continue;
    const auto it = std::find(expected.begin(), expected.end(), essence(call));
    if (it == expected.end()) return "a wrong record: " + call.response_id;
    expected.erase(it);
  }
  return "";
}

TEST_CASE("socket: joined late and with lost bursts", "[golden]") {
  std::mt19937 random(9);
  for (const auto& calls : sessions(4)) {
    for (const Style& style : kStyles) {
      for (const bool over_http2 : {false, true}) {
        const auto chunks = to_chunks(turns_of(calls, style, over_http2), 300 + random() % 3000);
        for (const std::size_t count : {1, 3, 8}) {
          std::vector<std::pair<std::size_t, std::size_t>> bursts;
          for (std::size_t i = 0; i < count; ++i) {
            const std::size_t at = random() % chunks.size();
            bursts.emplace_back(at, at + 1 + random() % 6);
          }
          CAPTURE(style.name, over_http2, count, calls.size());
          CHECK(check_damaged(calls, chunks, bursts, false) == "");
          bursts.insert(bursts.begin(), {0, 1 + random() % chunks.size()});
          CHECK(check_damaged(calls, chunks, bursts, true) == "");
        }
      }
    }
  }
}

}  // namespace
}  // namespace llmtap::testing
