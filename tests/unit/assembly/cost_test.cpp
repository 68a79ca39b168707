// SPDX-License-Identifier: Apache-2.0
//
// No path is quadratic: what a byte costs does not depend on how long its body is, and what a chunk
// costs does not depend on how much came before it. Counted, not timed (tests/support/op_count.h).
#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

#include "parsers/assembly/assembler.h"
#include "tests/bench/recording.h"
#include "tests/support/op_count.h"
#include "tests/support/record_log.h"

namespace llmtap {
namespace {

using namespace bench;
using testing::op_count;

// Per byte of the wire.
struct Cost {
  double touched = 0;  // bytes copied, searched or compared by the library
  double calls = 0;    // of such functions, and allocations
  double allocated = 0;
};

std::string text(const Cost& cost) {
  return std::to_string(cost.touched) + " touched, " + std::to_string(cost.calls) + " calls, " +
         std::to_string(cost.allocated) + " allocated";
}

Limits large_limits() {
  Limits limits;
  limits.request_body = limits.response_body = limits.record_text = std::size_t{128} << 20;
  limits.event = std::size_t{128} << 20;
  limits.total_bytes = std::size_t{2} << 30;
  return limits;
}

struct Sink final : RecordSink {
  void record(CallRecord&& call) override {
    ++calls;
    partial += call.partial;
  }
  void not_llm(const ConnId&, const RequestHead&) override { ++calls; }
  void loss(const ConnId&, LossReason, std::uint64_t) override { ++losses; }
  std::size_t calls = 0, partial = 0, losses = 0;
};

Cost cost_of(const Recording& recording) {
  Sink sink;
  const auto before = op_count();
  {
    Assembler assembler(large_limits(), sink);
    for (const auto& chunk : recording.chunks) assembler.feed(chunk);
    assembler.finish(recording.chunks.back().end_ns + 1'000'000'000);
  }
  const auto after = op_count();
  REQUIRE(sink.calls == recording.calls);
  REQUIRE(sink.partial + sink.losses == 0);
  const auto bytes = static_cast<double>(recording.wire_bytes);
  return {static_cast<double>(after.moved + after.scanned - before.moved - before.scanned) / bytes,
          static_cast<double>(after.calls + after.allocations - before.calls - before.allocations) /
              bytes,
          static_cast<double>(after.allocated - before.allocated) / bytes};
}

// A quarter more is chance: where a buffer's capacity doubles next. Two more are an event that no
// longer lies in one chunk and is copied. A path that is quadratic has fourfold cost at every step.
bool no_dearer(const Cost& now, const Cost& before) {
  constexpr double kChance = 1.25, kCopy = 2, kFewCalls = 0.0625;
  return now.touched <= before.touched * kChance + kCopy &&
         now.calls <= before.calls * kChance + kFewCalls &&
         now.allocated <= before.allocated * 2;  // twice: the same doubling
}

// `make` gives a recording of about so many bytes in chunks of such a size.
struct Path {
  const char* name;
  std::function<Recording(std::size_t bytes, std::size_t chunk)> make;
  std::size_t largest;  // bytes
};

Recording body(Dialect dialect, Large large, std::size_t bytes, std::size_t chunk) {
  return json_bodies(dialect, large, 1, bytes, chunk);
}

Recording stream(Transport transport, Dialect dialect, std::size_t bytes, std::size_t chunk) {
  Streams streams;
  streams.transport = transport;
  streams.dialect = dialect;
  streams.events = bytes / 200 + 1;
  streams.chunk_bytes = chunk;
  return sse(streams);
}

constexpr std::size_t kLargest = std::size_t{64} << 20, kShorter = std::size_t{4} << 20;

const std::vector<Path>& paths() {
  static const std::vector<Path> kPaths = {
      {"JSON request", [](auto n, auto c) { return body(Dialect::kOpenAi, Large::kRequest, n, c); },
       kLargest},
      {"JSON response", [](auto n, auto c) { return body(Dialect::kOpenAi, Large::kResponse, n, c); },
       kLargest},
      {"JSON of others", [](auto n, auto c) { return body(Dialect::kNone, Large::kRequest, n, c); },
       kShorter},
      {"one long SSE event", [](auto n, auto c) { return long_event(Transport::kHttp1, n, c); },
       kLargest},
      {"one long SSE event, HTTP/2",
       [](auto n, auto c) { return long_event(Transport::kHttp2, n, c); }, kShorter},
      {"SSE over HTTP/1",
       [](auto n, auto c) { return stream(Transport::kHttp1, Dialect::kOpenAi, n, c); },
       kShorter},
      {"SSE over HTTP/2",
       [](auto n, auto c) { return stream(Transport::kHttp2, Dialect::kAnthropic, n, c); },
       kShorter},
  };
  return kPaths;
}

TEST_CASE("cost: a byte costs the same from 1 KB to 64 MB", "[unit]") {
  constexpr std::size_t kTlsRecord = 16 * 1024;
  for (const auto& path : paths()) {
    DYNAMIC_SECTION(path.name) {
      Cost before = cost_of(path.make(1024, kTlsRecord));
      for (std::size_t bytes = 4096; bytes <= path.largest; bytes *= 4) {
        const Cost now = cost_of(path.make(bytes, kTlsRecord));
        INFO(bytes << " bytes: " << text(now) << "; a quarter of it: " << text(before));
        CHECK(no_dearer(now, before));
        before = now;
      }
    }
  }
}

TEST_CASE("cost: a chunk costs the same wherever it comes, from 1 byte to 16 KB", "[unit]") {
  constexpr std::size_t kShort = 16 * 1024, kLong = 256 * 1024;
  for (const auto& path : paths()) {
    DYNAMIC_SECTION(path.name) {
      for (std::size_t chunk = 16 * 1024; chunk >= 1; chunk /= 4) {
        const Cost few = cost_of(path.make(kShort, chunk));
        const Cost many = cost_of(path.make(kLong, chunk));
        INFO("chunks of " << chunk << ": " << text(many) << "; of a shorter body: " << text(few));
        CHECK(no_dearer(many, few));
        // Small chunks cost their calls, but their bytes are not gone over again and again.
        CHECK(many.touched < 12);
        CHECK(many.calls < 12);
      }
    }
  }
}

}  // namespace
}  // namespace llmtap
