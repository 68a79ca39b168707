// SPDX-License-Identifier: Apache-2.0
//
// Every recorded interaction, framed as each transport would have carried it, gives the record that
// its bare bodies give; joined late or with bytes lost, it gives that record, a partial one, or none.
#include <catch2/catch.hpp>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "parsers/assembly/assembler.h"
#include "parsers/assembly/call_fold.h"
#include "parsers/stream/byte_stream.h"
#include "tests/support/record_log.h"
#include "tests/support/reframe.h"
#include "userspace/cli/interaction.h"

namespace llmtap::testing {
namespace {

constexpr ConnId kConn{100, 1, 1};

// What one conversation said.
struct Outcome {
  std::vector<CallRecord> records;
  std::size_t managed = 0;
  std::size_t others = 0;
  bool operator==(const Outcome&) const = default;
};

Outcome outcome_of(RecordLog& log) {
  // Framing fields are part of HTTP/1 heads only; times, and what is relative to them, depend on
  // the chunks.
  for (auto& call : log.records) {
    call.timing = {};
    call.retry_after_s.reset();
    for (auto& limit : call.rate_limits) limit.reset_s.reset();
    for (Headers* headers : {&call.request_headers, &call.response_headers}) {
      std::erase_if(*headers, [](const Header& header) {
        return header.name == "host" || header.name == "content-length" ||
               header.name == "transfer-encoding";
      });
    }
  }
  return {std::move(log.records), log.managed.size(), log.others.size()};
}

Outcome folded(const Plain& plain, Protocol protocol) {
  const Limits limits;
  const ProviderNames names;
  RecordLog log;
  FoldContext context{limits, names, log, {}};
  Interaction bare;
  bare.request = plain.request;
  bare.request.protocol = protocol;
  bare.request_body = plain.request_body;
  bare.response = plain.response;
  bare.response_body = plain.response_body;
  fold_interaction(context, kConn, bare);
  return outcome_of(log);
}

Outcome assembled(const std::vector<Turn>& turns, std::size_t size) {
  RecordLog log;
  Assembler assembler({}, log);
  for (const auto& owned : to_chunks(turns, size, kConn)) assembler.feed(owned.view());
  return outcome_of(log);
}

// The corpus, in batches of 20. It fails when the corpus is not there.
template <class F>
void for_each_batch(F use) {
  const std::filesystem::path folder = std::filesystem::path(LLMTAP_SHARED) / "corpus";
  INFO("needs the corpus of recorded interactions in " << folder.string());
  REQUIRE(std::filesystem::exists(folder));
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string file = entry.path().filename().string();
    if (file.ends_with(".jsonl.gz") && !file.starts_with("reference_")) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  REQUIRE(!files.empty());
  std::vector<Plain> batch;
  for (const auto& file : files) {
    const auto read = read_corpus_file(file.string(), [&](RecordedInteraction&& recorded) {
      Plain plain{std::move(recorded.request), std::move(recorded.request_body),
                  std::move(recorded.response), std::move(recorded.response_body)};
      if (!recorded.defect.empty() || !make_transportable(plain)) return;
      batch.push_back(std::move(plain));
      if (batch.size() == 20) {
        use(batch);
        batch.clear();
      }
    });
    REQUIRE(read.ok());
  }
  use(batch);
}

TEST_CASE("transport: each interaction alone, on HTTP/1 and HTTP/2", "[golden]") {
  std::size_t count = 0;
  for_each_batch([&](const std::vector<Plain>& batch) {
    for (const Plain& plain : batch) {
      ++count;
      const Outcome on_http1 = folded(plain, Protocol::kHttp1);
      bool good = assembled(http1_turns(plain, 0), 0) == on_http1 &&
                  assembled(http1_turns(plain, 0), 16384) == on_http1 &&
                  assembled(http1_turns(plain, 4000), 1400) == on_http1 &&
                  assembled(http2_turns({plain}, 16384), 0) == folded(plain, Protocol::kHttp2);
      if (plain.request_body.size() + plain.response_body.size() < 3000) {
        good = good && assembled(http1_turns(plain, 100), 1) == on_http1;
      }
      INFO(plain.request.method << " " << plain.request.authority << plain.request.path);
      if (!good) CHECK(good);
    }
  });
  CHECK(count > 1900);
}

TEST_CASE("transport: 20 interactions at once on HTTP/2", "[golden]") {
  for_each_batch([&](const std::vector<Plain>& batch) {
    Outcome expected;
    for (const Plain& plain : batch) {
      Outcome one = folded(plain, Protocol::kHttp2);
      for (auto& call : one.records) expected.records.push_back(std::move(call));
      expected.managed += one.managed;
      expected.others += one.others;
    }
    Outcome got = assembled(http2_turns(batch, 1000), 16384);
    // They end in the order of their last frames.
    const bool same = std::is_permutation(got.records.begin(), got.records.end(),
                                          expected.records.begin(), expected.records.end());
    INFO(batch.front().request.authority << " " << got.records.size() << " of "
                                         << expected.records.size());
    CHECK(same);
    CHECK(got.managed == expected.managed);
    CHECK(got.others == expected.others);
  });
}

// Several interactions after each other on one HTTP/1 connection.
struct Talk {
  std::vector<OwnedChunk> chunks;
  std::vector<std::size_t> owner;  // of each chunk
  std::vector<Outcome> expected;   // of each interaction
};

Talk make_talk(const std::vector<Plain>& batch, std::mt19937& random) {
  Talk talk;
  std::vector<Turn> turns;
  const std::size_t size = 500 + random() % 8000;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    talk.expected.push_back(folded(batch[i], Protocol::kHttp1));
    for (auto& turn : http1_turns(batch[i], random() % 2 ? 0 : 700)) {
      talk.owner.insert(talk.owner.end(), (turn.bytes.size() + size - 1) / size, i);
      turns.push_back(std::move(turn));
    }
  }
  talk.chunks = to_chunks(turns, size, kConn);
  for (std::size_t i = 0; i < talk.chunks.size(); ++i) {  // a hole is over before the next chunk
    talk.chunks[i].chunk.begin_ns = talk.chunks[i].chunk.end_ns =
        kTurnNs + i * 2 * ByteStream::kReorderNs;
  }
  return talk;
}

// Replays without chunks [from, to). Records of whole interactions must be there; any other must
// be marked.
std::string check_damaged(const Talk& talk, std::size_t from, std::size_t to, bool late) {
  RecordLog log;
  Assembler assembler({}, log);
  std::vector<bool> hurt(talk.expected.size(), false);
  std::uint64_t late_offset[2] = {0, 0};
  for (std::size_t i = 0; i < talk.chunks.size(); ++i) {
    Chunk chunk = talk.chunks[i].view();
    auto& skipped = late_offset[static_cast<int>(chunk.direction)];
    if (i >= from && i < to) {
      hurt[talk.owner[i]] = true;
      if (late) skipped = chunk.offset + chunk.bytes.size();  // then offsets begin with 0 here
      continue;
    }
    chunk.offset -= skipped;
    assembler.feed(chunk);
  }
  assembler.finish(talk.chunks.back().chunk.end_ns + kTurnNs);
  std::vector<CallRecord> wanted;
  for (std::size_t i = 0; i < talk.expected.size(); ++i) {
    for (const auto& call : talk.expected[i].records) {
      if (!hurt[i]) wanted.push_back(call);
    }
  }
  for (const auto& call : outcome_of(log).records) {
    const auto it = std::find(wanted.begin(), wanted.end(), call);
    if (it != wanted.end()) {
      wanted.erase(it);
      continue;
    }
    bool as_recorded = call.partial || call.end != End::kComplete;
    for (std::size_t i = 0; i < talk.expected.size() && !as_recorded; ++i) {
      const auto& records = talk.expected[i].records;
      as_recorded = std::find(records.begin(), records.end(), call) != records.end();
    }
    if (!as_recorded) return "a wrong record: " + call.path;
  }
  return wanted.empty() ? "" : "a whole call is missing: " + wanted.front().path;
}

TEST_CASE("transport: late attach and lost bursts, at random", "[golden]") {
  std::mt19937 random(7);
  for_each_batch([&](const std::vector<Plain>& batch) {
    const Talk talk = make_talk(batch, random);
    for (int round = 0; round < 3; ++round) {
      const std::size_t at = random() % talk.chunks.size();
      CAPTURE(batch.front().request.authority, at, talk.chunks.size());
      CHECK(check_damaged(talk, 0, at, true) == "");
      const std::size_t to = std::min(talk.chunks.size(), at + 1 + random() % 6);
      CHECK(check_damaged(talk, at, to, false) == "");
    }
  });
}

}  // namespace
}  // namespace llmtap::testing
