// SPDX-License-Identifier: Apache-2.0
//
// HTTP/2 joined at any moment, and with bytes lost at any place: what is reported may be partial,
// never wrong.
#include <catch2/catch.hpp>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/wire/http2_calls.h"

using namespace llmtap;
using namespace llmtap::test;

namespace {

// The pieces between two gaps, in order, each somewhere in what was sent.
bool explains(std::string_view sent, const LoggedExchange& seen, int side) {
  std::size_t from = 0;
  std::size_t at = 0;
  auto gaps = seen.gaps[side];
  gaps.push_back({seen.body[side].size(), 0});
  bool first = true;
  for (const auto& [place, size] : gaps) {
    const auto piece = std::string_view(seen.body[side]).substr(at, place - at);
    const std::size_t found = sent.find(piece, from);
    if (found == std::string_view::npos || (first && found != 0)) return false;
    from = found + piece.size() + size;
    at = place;
    first = false;
  }
  const bool all = seen.gaps[side].empty() && seen.finished[side];
  return !all || seen.body[side] == sent;
}

// Empty: nothing in `seen` contradicts the call, and what is missing is marked.
std::string contradiction(const Call& call, const LoggedExchange& seen) {
  if (!seen.end) return "no end";
  const auto& head = seen.request;
  if (head.path != value(call.request, ":path") && !(head.path.empty() && head.partial))
    return "path";
  if (head.method != "POST" && !(head.method.empty() && head.partial)) return "method";
  for (const auto& [name, text] : head.headers) {
    if (name != "x-call" && value(call.request, std::string(name).c_str()) != text)
      return "request " + std::string(name);
  }
  if (!explains(call.request_body, seen, 0)) return "request body";
  if (!seen.response) return "";
  const auto& response = *seen.response;
  if (std::to_string(response.status) != value(call.response, ":status") &&
      !(response.status == 0 && response.partial)) {
    return "status";
  }
  for (const auto& [name, text] : response.headers) {
    if (value(call.response, std::string(name).c_str()) != text)
      return "response " + std::string(name);
  }
  if (!explains(call.response_body, seen, 1)) return "response body";
  if (seen.end == End::kComplete && !seen.finished[1]) return "complete without its end";
  return "";
}

std::string contradictions(const std::vector<Call>& calls, const ExchangeLog& log) {
  std::string out;
  for (const auto& error : log.errors) out += error + "; ";
  for (const auto& [id, exchanges] : log.all()) {
    if (id % 2 == 0 || id / 2 >= calls.size() || exchanges.size() != 1) {
      out += "stream " + std::to_string(id) + " " + std::to_string(exchanges.size()) + " times; ";
      continue;
    }
    const auto what = contradiction(calls[id / 2], exchanges[0]);
    if (!what.empty()) out += std::to_string(id) + ": " + what + "; ";
  }
  return out;
}

// Bodies and end are whole; the head may have unknown fields.
bool has_all_bytes(const Call& call, const LoggedExchange& seen) {
  return seen.body[0] == call.request_body && seen.body[1] == call.response_body &&
         seen.gaps[0].empty() && seen.gaps[1].empty() && seen.end == End::kComplete;
}

// Stream whose request begins with this piece; 0: none.
StreamId opens(const Piece& piece) {
  if (piece.direction != kClient || piece.bytes.size() < FrameHeader::kSize) return 0;
  if (piece.bytes.starts_with("PRI")) return 0;
  const FrameHeader header = parse_frame_header(piece.bytes);
  return header.type == FrameType::kHeaders ? header.stream : 0;
}

struct Recording {
  std::vector<Call> calls;
  std::vector<Piece> pieces;
  std::vector<std::size_t> starts;  // of each piece in the whole
  std::size_t size = 0;
};

Recording record(std::size_t count, PeerOptions options = {}) {
  Recording recording;
  recording.calls = make_calls(count);
  options.max_streams = 20;
  recording.pieces = run_http2(recording.calls, options);
  for (const auto& piece : recording.pieces) {
    recording.starts.push_back(recording.size);
    recording.size += piece.bytes.size();
  }
  return recording;
}

// Everything before `from` was not seen.
ExchangeLog join_at(const Recording& recording, std::size_t from, std::size_t chunk = SIZE_MAX) {
  Http2Decoder decoder;
  ExchangeLog log;
  for (std::size_t i = 0; i < recording.pieces.size(); ++i) {
    const std::string_view bytes = recording.pieces[i].bytes;
    const std::size_t skip = from > recording.starts[i] ? from - recording.starts[i] : 0;
    if (skip < bytes.size()) {
      feed(decoder, log, recording.pieces[i].direction, bytes.substr(skip), chunk);
    }
  }
  decoder.close({}, log);
  return log;
}

}  // namespace

TEST_CASE("http2 late: joined at every frame", "[unit]") {
  const auto recording = record(60);
  std::size_t partial = 0;
  for (std::size_t i = 1; i < recording.pieces.size(); ++i) {
    const auto log = join_at(recording, recording.starts[i]);
    std::string wrong = contradictions(recording.calls, log);
    for (std::size_t k = i; k < recording.pieces.size(); ++k) {
      const StreamId id = opens(recording.pieces[k]);
      if (id == 0) continue;
      if (log.all().count(id) == 0) {
        wrong += std::to_string(id) + " is missing; ";
      } else if (!has_all_bytes(recording.calls[id / 2], log.exchange(id))) {
        wrong += std::to_string(id) + " is not whole; ";
      }
    }
    for (const auto& [id, exchanges] : log.all()) partial += !exchanges[0].whole();
    if (!wrong.empty()) {
      CAPTURE(i);
      CHECK(wrong == "");
    }
  }
  CHECK(partial > 0);
}

TEST_CASE("http2 late: joined at any byte", "[unit]") {
  const auto recording = record(60);
  std::mt19937 random(1);
  for (int round = 0; round < 1500; ++round) {
    const std::size_t from = 1 + random() % (recording.size - 1);
    const auto log = join_at(recording, from);
    std::string wrong = contradictions(recording.calls, log);
    for (std::size_t k = 0; k < recording.pieces.size(); ++k) {
      const StreamId id = recording.starts[k] < from ? 0 : opens(recording.pieces[k]);
      if (id != 0 &&
          (log.all().count(id) == 0 || !has_all_bytes(recording.calls[id / 2], log.exchange(id)))) {
        wrong += std::to_string(id) + " is missing or not whole; ";
      }
    }
    if (round % 50 == 0 && join_at(recording, from, 1).all() != log.all()) wrong += "split";
    if (!wrong.empty()) {
      CAPTURE(from);
      CHECK(wrong == "");
    }
  }
}

TEST_CASE("http2 late: heads re-converge", "[unit]") {
  const auto recording = record(200);
  const auto log = join_at(recording, recording.size / 3);
  CHECK(contradictions(recording.calls, log) == "");
  // All but the names that the peer only ever gives by reference (see hpack.h).
  std::size_t unknown = 0;
  for (const auto& [id, exchanges] : log.all()) {
    if (id < 2 * 150) continue;
    const auto& seen = exchanges[0];
    const Call& call = recording.calls[id / 2];
    unknown += seen.request.method != "POST" || seen.request.authority != "api.example.com" ||
               seen.request.path != value(call.request, ":path") ||
               !find_header(seen.request.headers, "content-type") || !seen.response ||
               seen.response->status == 0 || !find_header(seen.response->headers, "content-type");
  }
  CHECK(unknown == 0);
  CHECK(log.size() > 100);
}

TEST_CASE("http2 late: bytes lost anywhere", "[unit]") {
  for (const std::size_t padding : {0, 11}) {
    PeerOptions options;
    options.padding = padding;
    const auto recording = record(60, options);
    std::mt19937 random(2);
    for (int round = 0; round < 1500; ++round) {
      // Up to three holes of the merged stream; each direction loses what lies in them.
      std::vector<std::pair<std::size_t, std::size_t>> holes;
      for (std::size_t n = 1 + random() % 3; n > 0; --n) {
        const std::size_t from = 24 + random() % (recording.size - 24);
        holes.emplace_back(from, from + 1 + random() % (random() % 4 == 0 ? 20000 : 60));
      }
      const std::size_t chunk = random() % 3 == 0 ? 1 + random() % 40 : SIZE_MAX;
      Http2Decoder decoder;
      ExchangeLog log;
      for (std::size_t i = 0; i < recording.pieces.size(); ++i) {
        const auto& piece = recording.pieces[i];
        std::uint64_t lost = 0;
        std::string kept;
        const auto flush = [&] {
          if (lost != 0) decoder.gap(piece.direction, lost, {}, log);
          feed(decoder, log, piece.direction, kept, chunk);
          kept.clear();
          lost = 0;
        };
        for (std::size_t k = 0; k < piece.bytes.size(); ++k) {
          const std::size_t at = recording.starts[i] + k;
          const bool in_hole = std::any_of(holes.begin(), holes.end(), [&](const auto& hole) {
            return at >= hole.first && at < hole.second;
          });
          if (in_hole && !kept.empty()) flush();
          if (in_hole) {
            ++lost;
          } else {
            if (lost != 0) flush();
            kept.push_back(piece.bytes[k]);
          }
        }
        flush();
      }
      decoder.close({}, log);
      std::string wrong = contradictions(recording.calls, log);
      if (log.size() < 30 && holes.size() == 1) wrong += "too little was found";
      if (!wrong.empty()) {
        CAPTURE(round, padding);
        CHECK(wrong == "");
      }
    }
  }
}

TEST_CASE("http2 late: bytes lost inside DATA are charged to that stream alone", "[unit]") {
  Http2Decoder decoder;
  ExchangeLog log;
  feed(decoder, log, kClient,
       std::string(kHttp2Preface) + settings() + request(1, true) + request(3, true));
  const std::string body = data("0123456789", 1);
  feed(decoder, log, kServer,
       settings() + response(1) + response(3) + data("a", 3) + body.substr(0, 12));
  decoder.gap(kServer, 4, {}, log);
  feed(decoder, log, kServer, body.substr(16) + data("b", 3, true) + data("!", 1, true));
  decoder.close({}, log);
  CHECK(log.errors.empty());
  CHECK(log.exchange(1).body[1] == "012789!");
  CHECK(log.exchange(1).gaps[1] == std::vector<std::pair<std::size_t, std::uint64_t>>{{3, 4}});
  CHECK(log.exchange(1).end == End::kComplete);
  CHECK(log.exchange(3).whole());
  CHECK(log.exchange(3).body[1] == "ab");
  CHECK(log.exchange(3).end == End::kComplete);
}

TEST_CASE("http2 late: a lost header block is a partial head", "[unit]") {
  Http2Decoder decoder;
  ExchangeLog log;
  const std::string head = request(1);
  feed(decoder, log, kClient, std::string(kHttp2Preface) + settings() + head.substr(0, 11));
  decoder.gap(kClient, head.size() - 11, {}, log);
  feed(decoder, log, kClient, data("{}", 1, true) + request(3, true));
  feed(decoder, log, kServer, settings() + response(1, true) + response(3, true));
  CHECK(log.errors.empty());
  CHECK(log.exchange(1).request.partial);
  CHECK(log.exchange(1).request.path == "");
  CHECK(log.exchange(1).body[0] == "{}");
  CHECK(log.exchange(1).end == End::kComplete);
  CHECK(log.exchange(3).whole());
}

TEST_CASE("http2 late: what is reported of a request that we did not see", "[unit]") {
  Http2Decoder decoder;
  ExchangeLog log;
  SECTION("its response, when that is whole") {
    feed(decoder, log, kServer, data("mid", 5) + response(7) + data("a", 7, true));
    CHECK(log.size() == 1);
    CHECK(log.exchange(7).request.partial);
    CHECK(log.exchange(7).gaps[0].size() == 1);
    CHECK(log.exchange(7).finished[0]);
    CHECK(log.exchange(7).response->status == 200);
    CHECK(log.exchange(7).body[1] == "a");
    CHECK(log.exchange(7).end == End::kComplete);
    CHECK(log.client == kClient);
  }
  SECTION("not the rest of a response") {
    feed(decoder, log, kServer, data("mid", 5) + data("end", 5, true) + response(7, true));
    CHECK(log.size() == 1);
    CHECK(log.all().count(7) == 1);
  }
  SECTION("not the rest of a request at a late attach") {
    feed(decoder, log, kClient, data("mid", 5) + data("end", 5, true) + request(7, true));
    CHECK(log.size() == 1);
    CHECK(log.exchange(7).request.method == "POST");
  }
  SECTION("its body, when it began while bytes were lost") {
    feed(decoder, log, kClient, std::string(kHttp2Preface) + settings() + request(1, true));
    decoder.gap(kClient, 100, {}, log);
    feed(decoder, log, kClient, data("{\"a\"", 3) + data(":1}", 3, true) + request(5, true));
    CHECK(log.exchange(3).request.partial);
    CHECK(log.exchange(3).body[0] == "{\"a\":1}");
    CHECK(log.exchange(3).gaps[0].size() == 1);
    CHECK(log.exchange(3).finished[0]);
  }
  SECTION("no response to a stream that the client has reset") {
    feed(decoder, log, kClient,
         std::string(kHttp2Preface) + settings() + request(1, true) +
             frame(std::string(4, '\0'), 3, 0, 1));
    feed(decoder, log, kServer, settings() + response(1) + data("late", 1, true));
    CHECK(log.opened == 1);
    CHECK(log.exchange(1).end == End::kCancelled);
    CHECK(log.exchange(1).body[1] == "");
  }
  CHECK(log.errors.empty());
}

TEST_CASE("http2 late: a connection that ends while bytes are missing ends in a gap", "[unit]") {
  Http2Decoder decoder;
  ExchangeLog log;
  feed(decoder, log, kClient, std::string(kHttp2Preface) + settings() + request(1, true));
  feed(decoder, log, kServer, settings() + response(1) + data("a", 1));
  decoder.gap(kServer, 1000, {}, log);
  decoder.close({}, log);
  CHECK(log.exchange(1).end == End::kGap);
  CHECK(log.exchange(1).gaps[1].size() == 1);
}

TEST_CASE("http2 late: noise is passed over in bounded memory", "[unit]") {
  std::mt19937 random(9);
  Http2Decoder decoder;
  ExchangeLog log;
  std::size_t most = 0;
  std::uint64_t fed = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string noise(1000, '\0');
    // Mostly zeros and small numbers: as much like frame headers as it gets.
    for (char& c : noise) c = static_cast<char>(random() % (i % 2 == 0 ? 256 : 6));
    feed(decoder, log, kServer, noise, 1 + random() % 1000);
    fed += noise.size();
    most = std::max(most, decoder.memory());
  }
  decoder.close({}, log);
  CHECK(most < 256 * 1024);
  CHECK(log.losses.bytes(LossReason::kUnknownContext) > fed / 2);
}
