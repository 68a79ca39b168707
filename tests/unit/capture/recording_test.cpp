// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/recording.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <vector>

#include "tests/support/scratch_directory.h"

using namespace llmtap;

namespace {

struct Played {
  std::vector<Chunk> chunks;  // their bytes are gone
  std::vector<std::string> bytes;
  bool whole = false;
};

Chunk data(std::uint64_t offset, std::string_view bytes) {
  Chunk chunk;
  chunk.conn = {1, 2, 3};
  chunk.direction = Direction::kRead;
  chunk.offset = offset;
  chunk.begin_ns = 10;
  chunk.end_ns = 11;
  chunk.missing = 5;
  chunk.bytes = bytes;
  return chunk;
}

Chunk socket_of(bool inferred) {
  Chunk chunk;
  chunk.kind = ChunkKind::kSocket;
  chunk.socket.local.port = 4711;
  chunk.socket.remote.address.back() = 9;
  chunk.socket.netns = 77;
  chunk.socket.inferred = inferred;
  return chunk;
}

class Given final : public ChunkSource {
 public:
  explicit Given(std::vector<Chunk> chunks) : chunks_(std::move(chunks)) {}
  Result<std::size_t> poll(std::chrono::milliseconds, const OnChunk& on_chunk) override {
    for (const auto& chunk : chunks_) on_chunk(chunk);
    return chunks_.size();
  }
  bool finished() const override { return true; }

 private:
  std::vector<Chunk> chunks_;
};

Played play(const std::string& path) {
  Played played;
  auto replay = ReplaySource::open(path);
  if (!replay) return played;
  while (!(*replay)->finished()) {
    const auto count = (*replay)->poll({}, [&](const Chunk& chunk) {
      played.chunks.push_back(chunk);
      played.bytes.emplace_back(chunk.bytes);
    });
    if (!count) return played;
  }
  played.whole = true;
  return played;
}

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("recording: what is replayed is what was recorded", "[unit]") {
  const test::ScratchDirectory scratch;
  const std::string path = scratch.path("recording");
  Given given({data(0, "hello"), socket_of(true), socket_of(false), data(10, "")});
  {
    auto recording = RecordingSource::create(path, given);
    REQUIRE(recording.ok());
    REQUIRE((*recording)->poll({}, [](const Chunk&) {}).ok());
  }
  CHECK_FALSE(RecordingSource::create(path, given).ok());  // exists
  const Played played = play(path);
  CHECK(played.whole);
  REQUIRE(played.chunks.size() == 4);
  CHECK(played.bytes[0] == "hello");
  CHECK(played.chunks[0].conn == ConnId{1, 2, 3});
  CHECK(played.chunks[0].direction == Direction::kRead);
  CHECK(played.chunks[0].missing == 5);
  CHECK(played.chunks[0].end_ns == 11);
  CHECK(played.chunks[1].socket == socket_of(true).socket);
  CHECK(played.chunks[2].socket == socket_of(false).socket);
  CHECK(played.chunks[3].offset == 10);
}

TEST_CASE("recording: a file that was cut says so, unless between two chunks", "[unit]") {
  constexpr std::size_t kMagic = 8, kHead = 64;
  const test::ScratchDirectory scratch;
  const std::string path = scratch.path("recording"), cut = scratch.path("cut");
  Given given({data(0, "hello"), data(10, "")});
  {
    auto recording = RecordingSource::create(path, given);
    REQUIRE((*recording)->poll({}, [](const Chunk&) {}).ok());
  }
  const std::string whole = content(path);
  REQUIRE(whole.size() == kMagic + kHead + 5 + kHead);
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    std::ofstream(cut, std::ios::binary) << whole.substr(0, size);
    const bool between = size == kMagic || size == kMagic + kHead + 5 || size == whole.size();
    const Played played = play(cut);
    CAPTURE(size);
    CHECK(played.whole == between);
    const std::size_t chunks = size == whole.size() ? 2 : size >= kMagic + kHead + 5 ? 1 : 0;
    CHECK(played.chunks.size() == chunks);
  }
}
