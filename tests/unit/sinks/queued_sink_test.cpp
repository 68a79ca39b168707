// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/queued_sink.h"

#include <catch2/catch.hpp>
#include <future>
#include <stdexcept>
#include <thread>

#include "userspace/sinks/terminal_table.h"

using namespace llmtap;

namespace {

class BlockingWriter final : public RecordWriter {
 public:
  BlockingWriter(std::shared_future<void> gate, std::size_t& written)
      : gate_(std::move(gate)), written_(written) {}
  std::string_view name() const override { return "blocking"; }
  void write(std::span<const SharedCall> calls) override {
    gate_.wait();
    written_ += calls.size();
  }

 private:
  std::shared_future<void> gate_;
  std::size_t& written_;
};

}  // namespace

TEST_CASE("queued sink: a full queue drops and counts, never blocks", "[unit]") {
  std::promise<void> gate;
  std::size_t written = 0;
  std::uint64_t accepted = 0;
  std::uint64_t dropped = 0;
  {
    QueuedSink sink(std::make_unique<BlockingWriter>(gate.get_future().share(), written), 10);
    for (int i = 0; i < 500; ++i) sink.accept(std::make_shared<CallRecord>());
    accepted = sink.accepted();
    dropped = sink.dropped();
    CHECK(accepted + dropped == 500);
    CHECK(dropped >= 500 - 10 - 256);
    gate.set_value();
    sink.flush(std::chrono::milliseconds{5000});
    CHECK(written == accepted);
  }
  CHECK(written == accepted);
}

TEST_CASE("queued sink: what a destination may not see", "[unit]") {
  std::promise<void> gate;
  gate.set_value();
  std::size_t written = 0;
  QueuedSink sink(std::make_unique<BlockingWriter>(gate.get_future().share(), written), 100,
                  [](const SharedCall& call) { return call->id == "secret" ? nullptr : call; });
  for (const char* id : {"a", "secret", "b"}) {
    auto call = std::make_shared<CallRecord>();
    call->id = id;
    sink.accept(call);
  }
  sink.flush(std::chrono::milliseconds{5000});
  CHECK(written == 2);
}

namespace {

// Counts as a store does; chokes on the record "bad".
class CountingWriter final : public RecordWriter {
 public:
  std::string_view name() const override { return "counting"; }
  void write(std::span<const SharedCall> calls) override {
    for (const auto& call : calls) {
      if (call->id == "bad") throw std::runtime_error("a library does not like this one");
      ++stored_;
    }
  }
  void idle() override { ++idle_; }
  void count(SinkCounts& counts) const override {
    counts.withheld += idle_ > 0 ? 1 : 0;
    counts.store = StoreCounts{stored_, 0, 7};
    counts.delivery = DeliveryCounts{.delivered = stored_, .spool = {.records = 5, .dropped = 1}};
  }

 private:
  std::atomic<std::uint64_t> stored_{0}, idle_{0};
};

SharedCall named(const char* id) {
  auto call = std::make_shared<CallRecord>();
  call->id = id;
  return call;
}

}  // namespace

TEST_CASE("queued sink: counts go on over a change of the writer", "[unit]") {
  constexpr std::chrono::milliseconds kLong{5000};
  const OpenWriter open = []() -> Result<std::unique_ptr<RecordWriter>> {
    return std::unique_ptr<RecordWriter>(std::make_unique<CountingWriter>());
  };
  QueuedSink sink(std::make_unique<CountingWriter>(), 100);
  for (const char* id : {"1", "2", "3"}) sink.accept(named(id));
  sink.flush(kLong);
  sink.change({open, open, {}, {}});
  sink.accept(named("4"));
  sink.flush(kLong);
  const auto counts = sink.counts();
  CHECK(counts.accepted == 4);
  CHECK(counts.store->stored == 4);
  CHECK(counts.store->bytes == 7);  // now
  CHECK(counts.delivery->delivered == 4);
  CHECK(counts.delivery->spool.records == 5);  // now
  CHECK(counts.delivery->spool.dropped == 2);
}

TEST_CASE("queued sink: a record that a writer chokes on ends nothing, and is counted", "[unit]") {
  QueuedSink sink(std::make_unique<CountingWriter>(), 100);
  sink.accept(named("bad"));
  sink.flush(std::chrono::milliseconds{5000});
  sink.accept(named("good"));
  sink.flush(std::chrono::milliseconds{5000});
  CHECK(sink.counts().dropped == 1);
  CHECK(sink.counts().store->stored == 1);
}

TEST_CASE("queued sink: a writer hears that there is nothing to do", "[unit]") {
  QueuedSink sink(std::make_unique<CountingWriter>(), 100);
  for (int i = 0; i < 300 && sink.counts().withheld == 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  CHECK(sink.counts().withheld == 1);
}

TEST_CASE("terminal: figures for people", "[unit]") {
  CHECK(format_duration(812'000'000) == "812ms");
  CHECK(format_duration(2'310'000'000) == "2.31s");
  CHECK(format_duration(64'000'000'000) == "1m04s");
  CHECK(format_duration(400'000) == "0.4ms");
  CHECK(format_count(99'999) == "99999");
  CHECK(format_count(123'456) == "123k");
  CHECK(format_count(12'300'000) == "12.3M");
  CHECK(format_cost(0.000092) == "$0.000092");
  CHECK(format_cost(1.5) == "$1.5000");
}

TEST_CASE("terminal: text off the wire cannot steer the terminal", "[unit]") {
  CallSummary call;
  call.service = "evil\x1b[2J\x07";
  call.model =
      "m\xc2\x9b"
      "31m";
  call.error_class = "other";
  const auto line = table_line(call, {.color = false, .columns = 120});
  for (const char c : line) CHECK(static_cast<unsigned char>(c) >= 0x20);
  CHECK(line.find("\xc2\x9b") == std::string::npos);
}

TEST_CASE("terminal: header and lines are aligned, absent is blank", "[unit]") {
  const TableStyle style{.color = false, .utc = true, .columns = 130};
  CallSummary call;
  call.provider = "openai";
  call.model = "gpt-4o";
  call.duration_ns = 1'000'000;
  const auto header = table_header(style);
  const auto line = table_line(call, style);
  CHECK(header.find("STATUS") == line.find("ok"));
  CHECK(header.find("MODEL") == line.find("gpt-4o"));
}

namespace {

// Writes "NAME:ID" and says when it was closed.
class NamingWriter final : public RecordWriter {
 public:
  NamingWriter(std::string name, std::vector<std::string>& log, std::mutex& mutex)
      : name_(std::move(name)), log_(log), mutex_(mutex) {}
  ~NamingWriter() override { note(name_ + " closed"); }
  std::string_view name() const override { return "naming"; }
  void write(std::span<const SharedCall> calls) override {
    for (const auto& call : calls) note(name_ + ':' + call->id);
  }

 private:
  void note(std::string line) {
    const std::lock_guard lock(mutex_);
    log_.push_back(std::move(line));
  }
  std::string name_;
  std::vector<std::string>& log_;
  std::mutex& mutex_;
};

SharedCall call_named(const char* id) {
  auto call = std::make_shared<CallRecord>();
  call->id = id;
  return call;
}

}  // namespace

TEST_CASE("queued sink: a change of the writer loses nothing", "[unit]") {
  std::vector<std::string> log;
  std::mutex mutex;
  const auto writer = [&](const char* name) -> OpenWriter {
    return [&, name]() -> Result<std::unique_ptr<RecordWriter>> {
      return std::unique_ptr<RecordWriter>(std::make_unique<NamingWriter>(name, log, mutex));
    };
  };
  const OpenWriter failing = []() -> Result<std::unique_ptr<RecordWriter>> {
    return Error{"no such directory"};
  };
  const OpenWriter off = []() -> Result<std::unique_ptr<RecordWriter>> {
    return std::unique_ptr<RecordWriter>();
  };
  constexpr std::chrono::milliseconds kLong{5000};
  {
    QueuedSink sink(std::make_unique<NamingWriter>("a", log, mutex), 100);
    sink.accept(call_named("1"));
    sink.flush(kLong);
    sink.change({writer("b"), writer("a"), {}, {}});
    sink.accept(call_named("2"));
    sink.flush(kLong);
    sink.change({failing, writer("b"), {}, {}});  // the former destination stays
    sink.accept(call_named("3"));
    sink.flush(kLong);
    sink.change({{}, {}, [](const SharedCall&) { return SharedCall(); }, {}});
    sink.accept(call_named("4"));  // the new policy holds from here on
    sink.flush(kLong);
    CHECK(sink.counts().withheld == 1);
    sink.change({off, writer("b"), {}, {}});
    sink.accept(call_named("5"));
    sink.flush(kLong);
    sink.change({writer("c"), off, {}, {}});
    sink.accept(call_named("6"));
    sink.flush(kLong);
  }
  CHECK(log == std::vector<std::string>{"a:1", "a closed", "b:2", "b closed", "b:3", "b closed",
                                        "c:6", "c closed"});
}
