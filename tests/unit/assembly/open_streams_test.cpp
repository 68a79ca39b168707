// SPDX-License-Identifier: Apache-2.0
//
// 10,000 open streams with small messages and realistic heads: what they take by what the assembler
// says and by what the heap says: 64 MiB, with a connection each as well.
#include <catch2/catch.hpp>
#include <cstdint>

#include "parsers/assembly/assembler.h"
#include "tests/bench/recording.h"
#include "tests/support/op_count.h"

namespace llmtap {
namespace {

using namespace bench;

struct CountingSink final : RecordSink {
  void record(CallRecord&&) override { ++records; }
  void loss(const ConnId&, LossReason, std::uint64_t) override { ++losses; }
  std::size_t records = 0, losses = 0;
};

TEST_CASE("10,000 open streams with realistic heads", "[unit]") {
  struct Case {
    const char* name;
    Transport transport;
    Dialect dialect;
    std::size_t connections;
    std::size_t mebibytes;
  };
  const Case cases[] = {
      {"HTTP/1, OpenAI", Transport::kHttp1, Dialect::kOpenAi, 10'000, 64},
      {"HTTP/1, Anthropic", Transport::kHttp1, Dialect::kAnthropic, 10'000, 64},
      {"HTTP/2, 100 streams each", Transport::kHttp2, Dialect::kOpenAi, 100, 64},
      {"HTTP/2, one connection", Transport::kHttp2, Dialect::kOpenAi, 1, 64},
      {"HTTP/2, a stream each", Transport::kHttp2, Dialect::kOpenAi, 10'000, 64},
  };
  constexpr std::size_t kStreams = 10'000;
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      CountingSink sink;
      Limits limits;
      const std::size_t budget = c.mebibytes << 20;
      limits.total_bytes = budget;
      Assembler assembler(limits, sink);
      Streams streams;
      streams.transport = c.transport;
      streams.dialect = c.dialect;
      streams.calls = streams.at_once = kStreams / c.connections;
      streams.events = 5;
      streams.open = true;
      std::size_t used = 0;
      TimeNs last = 0;
      for (std::uint64_t i = 0; i < c.connections; ++i) {
        streams.conn = {100, i, 1};
        const Recording recording = sse(streams);
        const std::size_t before = testing::op_count().live;
        for (const auto& chunk : recording.chunks) assembler.feed(chunk);
        used += testing::op_count().live - before;
        last = recording.chunks.back().end_ns;
      }
      CAPTURE(used, used / kStreams, assembler.memory(), assembler.memory() / kStreams);
      CHECK(used < budget);
      CHECK(assembler.memory() < budget);
      CHECK(assembler.memory() > used / 2);  // the budget knows what is held
      CHECK(sink.losses == 0);
      CHECK(sink.records == 0);
      CHECK(assembler.connections() == c.connections);
      assembler.finish(last + 1);
      CHECK(sink.records == kStreams);
    }
  }
}

}  // namespace
}  // namespace llmtap
