// SPDX-License-Identifier: Apache-2.0
//
// Recorded interactions on connections that are joined late or lose bytes, several times: what was
// whole on the wire is as recorded, anything else is marked, and nothing is made up.
#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "parsers/stream/byte_stream.h"
#include "tests/golden/corpus.h"

namespace llmtap::testing {
namespace {

// Interactions on one connection; those of one group are under way at the same time.
struct Talk {
  std::vector<OwnedChunk> chunks;
  std::vector<std::size_t> group;               // of each chunk
  std::vector<std::vector<CallRecord>> groups;  // the records that each should give
};

class Builder {
 public:
  Builder(Talk& talk, std::size_t size) : talk_(talk), size_(size) {}

  void add(const std::vector<Turn>& turns, std::vector<CallRecord>&& records) {
    for (const Turn& turn : turns) {
      const std::size_t pieces = (turn.bytes.size() + size_ - 1) / size_;
      talk_.group.insert(talk_.group.end(), pieces, talk_.groups.size());
      turns_.push_back(turn);
    }
    talk_.groups.push_back(std::move(records));
  }

  void finish() {
    talk_.chunks = to_chunks(turns_, size_, kConn);
    for (std::size_t i = 0; i < talk_.chunks.size(); ++i) {  // a hole is over before the next chunk
      talk_.chunks[i].chunk.begin_ns = talk_.chunks[i].chunk.end_ns =
          kTurnNs + i * 2 * ByteStream::kReorderNs;
    }
  }

 private:
  Talk& talk_;
  std::size_t size_;
  std::vector<Turn> turns_;
};

std::vector<Plain> in_any_coding(const std::vector<Plain>& batch, std::mt19937& random) {
  constexpr Coding kCodings[] = {Coding::kGzip, Coding::kBrotli, Coding::kZstd};
  std::vector<Plain> out;
  for (const Plain& plain : batch) {
    const auto pick = random() % 6;  // half of them bare
    out.push_back(pick < 3 ? recoded(plain, kCodings[pick], 300).value_or(plain) : plain);
  }
  return out;
}

Talk http1_talk(const std::vector<Plain>& batch, std::mt19937& random) {
  Talk talk;
  Builder builder(talk, 500 + random() % 8000);
  for (const Plain& plain : in_any_coding(batch, random)) {
    builder.add(http1_turns(plain, random() % 2 ? 0 : 700),
                folded(plain, Protocol::kHttp1).records);
  }
  builder.finish();
  return talk;
}

// Five at a time.
Talk http2_talk(const std::vector<Plain>& batch, std::mt19937& random) {
  constexpr std::size_t kAtOnce = 5;
  Talk talk;
  Builder builder(talk, 500 + random() % 8000);
  Http2Wire wire;
  const std::vector<Plain> all = in_any_coding(batch, random);
  for (std::size_t i = 0; i < all.size(); i += kAtOnce) {
    const std::vector<Plain> group(all.begin() + static_cast<std::ptrdiff_t>(i),
                                   all.begin() + static_cast<std::ptrdiff_t>(
                                                     std::min(i + kAtOnce, all.size())));
    std::vector<CallRecord> records;
    for (const Plain& plain : group) {
      for (auto& call : folded(plain, Protocol::kHttp2).records) records.push_back(std::move(call));
    }
    builder.add(wire.turns(group, 200 + random() % 2000), std::move(records));
  }
  builder.finish();
  return talk;
}

struct Burst {
  std::size_t from = 0, to = 0;  // chunks
};

// The first group after which nothing needs what was lost: HTTP/1 has no state between messages;
// on HTTP/2 fields stay unknown until they are sent anew, so nothing behind a loss is demanded.
enum class Recovery { kNextGroup, kNever };

// Replays without the bursts. A loss before anything was seen is a late attach: offsets begin with
// 0 where we came.
std::string check_damaged(const Talk& talk, const std::vector<Burst>& bursts,
                          Recovery recovery) {
  RecordLog log;
  Assembler assembler({}, log);
  std::vector<bool> hurt(talk.groups.size(), false);
  std::uint64_t skipped[2] = {0, 0};
  bool seen = false;
  bool lost_any = false;
  for (std::size_t i = 0; i < talk.chunks.size(); ++i) {
    Chunk chunk = talk.chunks[i].view();
    const auto direction = static_cast<std::size_t>(chunk.direction);
    const auto covers = [i](const Burst& burst) { return i >= burst.from && i < burst.to; };
    const bool lost = std::any_of(bursts.begin(), bursts.end(), covers);
    lost_any = lost_any || lost;
    if (lost || (lost_any && recovery == Recovery::kNever)) hurt[talk.group[i]] = true;
    if (lost) {
      if (!seen) skipped[direction] = chunk.offset + chunk.bytes.size();
      continue;
    }
    seen = true;
    chunk.offset -= skipped[direction];
    assembler.feed(chunk);
  }
  assembler.feed(close_chunk(kConn, talk.chunks.back().chunk.end_ns + kTurnNs));
  assembler.finish(talk.chunks.back().chunk.end_ns + 2 * kTurnNs);
  std::vector<CallRecord> wanted, recorded, doubtful;
  for (std::size_t i = 0; i < talk.groups.size(); ++i) {
    // Between two losses an answer may be another's for all that the framing says.
    const bool doubt = i > 0 && hurt[i - 1] && (i + 1 == talk.groups.size() || hurt[i + 1]);
    auto& to = hurt[i] ? recorded : doubt ? doubtful : wanted;
    to.insert(to.end(), talk.groups[i].begin(), talk.groups[i].end());
  }
  for (const auto& call : outcome_of(log).records) {
    auto it = std::find(wanted.begin(), wanted.end(), call);
    if (it != wanted.end()) {
      wanted.erase(it);
      continue;
    }
    CallRecord sure = call;
    sure.partial = false;
    it = std::find(doubtful.begin(), doubtful.end(), sure);
    if (it != doubtful.end()) {
      doubtful.erase(it);
      continue;
    }
    if (call.partial || call.end != End::kComplete) continue;
    it = std::find(recorded.begin(), recorded.end(), call);
    if (it == recorded.end()) return "a wrong record: " + call.path;
    recorded.erase(it);
  }
  wanted.insert(wanted.end(), doubtful.begin(), doubtful.end());
  return wanted.empty() ? "" : "a whole call is missing: " + wanted.front().path;
}

std::vector<Burst> random_bursts(std::size_t count, std::size_t chunks, std::mt19937& random) {
  std::vector<Burst> bursts;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = random() % chunks;
    bursts.push_back({at, std::min(chunks, at + 1 + random() % 6)});
  }
  return bursts;
}

void damage(const Talk& talk, Recovery recovery, std::mt19937& random) {
  const std::size_t chunks = talk.chunks.size();
  const std::size_t at = random() % chunks;
  CAPTURE(at, chunks);
  CHECK(check_damaged(talk, {{0, at}}, recovery) == "");
  for (const std::size_t count : {1, 2, 5, 12}) {
    CAPTURE(count);
    auto bursts = random_bursts(count, chunks, random);
    CHECK(check_damaged(talk, bursts, recovery) == "");
    bursts.insert(bursts.begin(), {0, 1 + random() % chunks});
    CHECK(check_damaged(talk, bursts, recovery) == "");
  }
}

TEST_CASE("damage: HTTP/1 joined late and with lost bursts", "[golden]") {
  std::mt19937 random(7);
  for_each_batch([&](const std::vector<Plain>& batch) {
    CAPTURE(batch.front().request.authority);
    const Talk talk = http1_talk(batch, random);
    for (int round = 0; round < 2; ++round) damage(talk, Recovery::kNextGroup, random);
  });
}

TEST_CASE("damage: HTTP/2 with five calls at once, joined late and with lost bursts", "[golden]") {
  std::mt19937 random(8);
  for_each_batch([&](const std::vector<Plain>& batch) {
    CAPTURE(batch.front().request.authority);
    const Talk talk = http2_talk(batch, random);
    for (int round = 0; round < 2; ++round) damage(talk, Recovery::kNever, random);
  });
}

}  // namespace
}  // namespace llmtap::testing
