// SPDX-License-Identifier: Apache-2.0
//
// Every byte that a hooked process moved is accounted for, whatever happens to it; and a file that
// is probed in single processes counts and delivers as one that is probed for all.
#include <catch2/catch.hpp>

#include "parsers/assembly/assembler.h"
#include "tests/bpf/subject.h"

namespace llmtap::test {
namespace {

class NoRecords final : public RecordSink {
 public:
  void record(CallRecord&&) override {}
  void loss(const ConnId&, LossReason, std::uint64_t) override {}
};

// Takes the probes away, reads what is left, and compares what the kernel counted with what came.
CaptureCounts check_sums(Tap& tap) {
  tap.source().stop();
  tap.drain();
  NoRecords sink;
  Assembler assembler(Limits{}, sink);
  std::uint64_t delivered = 0;
  for (const auto& seen : tap.seen()) {
    Chunk chunk = seen.chunk;
    chunk.bytes = seen.bytes;
    delivered += seen.bytes.size();
    assembler.feed(chunk);
  }
  assembler.finish(unix_now());
  const CaptureCounts counts = tap.source().counts();
  const StreamCounts& streams = assembler.stream_counts();
  CHECK(counts.bytes_under_way() == 0);
  CHECK(counts.events_refused == 0);
  CHECK(counts.bytes_delivered == delivered);
  CHECK(streams.fed == delivered);
  CHECK(streams.fed == streams.parsed + streams.skipped + streams.repeated);
  CHECK(streams.gap <= counts.bytes_withheld + counts.bytes_lost());
  CHECK(counts.bytes == streams.parsed + streams.skipped + streams.repeated +
                            counts.bytes_withheld + counts.bytes_lost());
  return counts;
}

}  // namespace

TEST_CASE("accounting: issued = parsed + withheld + lost", "[bpf]") {
  struct Case {
    const char* name;
    std::uint32_t ring_bytes;
    bool loses;
  };
  const Case cases[] = {{"room enough", 64U << 20, false}, {"a tiny ring", 16U << 10, true}};
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      KernelOptions options;
      options.ring_bytes = c.ring_bytes;
      Tap tap(options, planned());
      Subject one, other;
      const auto client = one.connect().first;
      one.ask("write 10");
      tap.drain();
      const ConnId conn = tap.stream(client, Direction::kWrite).at(0).chunk.conn;
      REQUIRE(tap.source().set_verdict(conn, TLS_VERDICT_WATCH));
      other.connect();
      one.tell("bench 4096 10");
      other.tell("bench 700 10");
      one.answer();
      other.answer();
      one.ask("write 100000");
      const CaptureCounts counts = check_sums(tap);
      CHECK(counts.bytes > 2 * 100'000U);
      CHECK(counts.bytes_withheld > 0);
      CHECK((counts.lost.bytes(LossReason::kRingFull) > 0) == c.loses);
    }
  }
}

TEST_CASE("accounting: ignored calls are counted, as entries", "[bpf]") {
  Tap tap({}, planned());
  Subject subject;
  const auto client = subject.connect().first;
  subject.ask("write 10");
  tap.drain();
  const ConnId conn = tap.stream(client, Direction::kWrite).at(0).chunk.conn;
  REQUIRE(tap.source().set_verdict(conn, TLS_VERDICT_IGNORE));
  subject.ask("sizes 1 2 3 4 5");
  const CaptureCounts counts = check_sums(tap);
  CHECK(counts.ignored == 5);
  CHECK(counts.calls == 2 + 5);  // the server's end is looked at
}

TEST_CASE("accounting: what processes did", "[bpf]") {
  Tap tap({}, planned());
  Subject subject;
  subject.connect();
  subject.ask("sizes 1 2 3");
  const auto uses = tap.source().take_process_use();
  REQUIRE(uses.size() == 1);
  CHECK(uses[0].pid == subject.pid());
  CHECK(uses[0].calls >= 6);
  CHECK_FALSE(uses[0].llm);
  CHECK(tap.source().speaks(subject.pid()));
  CHECK_FALSE(tap.source().speaks(getpid()));
  const auto again = tap.source().take_process_use();
  CHECK((again.empty() || again[0].calls == 0));
}

// While one link takes over from another, both are there.
TEST_CASE("accounting: a process of its own link", "[bpf]") {
  Tap tap({}, planned());
  Subject one, other;
  const auto client = one.connect().first;
  const auto other_client = other.connect().first;
  one.ask("sizes 100 200");
  const auto single = tap.source().attach(libssl_path(), planned(), one.pid());
  REQUIRE(single.ok());
  one.ask("sizes 300 400");  // both
  other.ask("write 50");
  tap.source().detach(tap.attachment());
  one.ask("sizes 500 600");  // its own
  other.ask("sizes 1000 2000");
  tap.drain();
  CHECK(contiguous_bytes(tap.stream(client, Direction::kWrite, one.pid())) == 2100);
  CHECK(contiguous_bytes(tap.stream(other_client, Direction::kWrite, other.pid())) == 50);
  for (const auto& site : tap.source().hits(*single))
    if (site.site.wants_return) CHECK(site.count.moved <= 4);  // nothing of the other process
  const CaptureCounts counts = check_sums(tap);
  CHECK(tap.losses() == 0);
  CHECK(counts.bytes == 2 * (2100 + 50));
}

TEST_CASE("accounting: one process alone only where calls are delivered once", "[bpf]") {
  Tap tap({}, planned());
  ProbePlan plan = planned();
  plan.sites.resize(1);
  plan.sites[0].cookie = TLS_COOKIE(TLS_CALL_GO_WRITE, TLS_WRITE, TLS_LIB_GO);
  CHECK_FALSE(tap.source().attach(libssl_path(), plan, getpid()).ok());
}

}  // namespace llmtap::test
