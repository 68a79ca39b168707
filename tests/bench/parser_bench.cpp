// SPDX-License-Identifier: Apache-2.0
//
// How fast one core turns recorded wire bytes into body events ("decoders") and into records, beside
// simdjson's own parse of the same JSON and a memcpy of the same bytes. Rates are of wire bytes (simdjson's: of JSON bytes); ratios
// compare times for the same recording. Run by scripts/bench_parsers.
#include <benchmark/benchmark.h>
#include <simdjson.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "parsers/assembly/assembler.h"
#include "parsers/body/body_decoder.h"
#include "parsers/body/content_coding.h"
#include "parsers/wire/detect.h"
#include "parsers/wire/http1.h"
#include "parsers/wire/http2.h"
#include "tests/bench/recording.h"

namespace llmtap::bench {
namespace {

struct CountingSink final : RecordSink {
  void record(CallRecord&& call) override {
    ++records;
    partial += call.partial;
    benchmark::DoNotOptimize(call.output.data());
  }
  void not_llm(const ConnId&, const RequestHead&) override { ++others; }
  void loss(const ConnId&, LossReason, std::uint64_t bytes) override { lost += bytes; }

  std::size_t records = 0, partial = 0, others = 0;
  std::uint64_t lost = 0;
};

// Bodies as large as the largest recording are read whole here.
Limits bench_limits() {
  Limits limits;
  limits.request_body = limits.response_body = limits.record_text = std::size_t{128} << 20;
  limits.total_bytes = std::size_t{1} << 30;
  return limits;
}

using Make = std::function<Recording()>;

// Built when first used, by one case at a time: large recordings do not stay.
const Recording& recording_of(const std::string& name, const Make& make) {
  static std::string last;
  static std::unique_ptr<Recording> kept;
  if (last != name) {
    kept = nullptr;
    kept = std::make_unique<Recording>(make());
    last = name;
  }
  return *kept;
}

void set_rate(benchmark::State& state, std::size_t bytes) {
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes) * state.iterations());
}

void run_llmtap(benchmark::State& state, const Recording& recording) {
  for (auto _ : state) {
    CountingSink sink;
    Assembler assembler(bench_limits(), sink);
    for (const auto& chunk : recording.chunks) assembler.feed(chunk);
    assembler.finish(recording.chunks.back().end_ns + 1'000'000'000);
    if (sink.records + sink.others != recording.calls || sink.partial + sink.lost != 0) {
      state.SkipWithError("the recording did not decode");
      return;
    }
  }
  set_rate(state, recording.wire_bytes);
}

// The decoders alone: wire bytes to body events, whatever the events say.
class EventCounter final : public ExchangeSink, private BodySink {
 public:
  explicit EventCounter(const Limits& limits) : limits_{limits.response_body, limits.event} {}

  void request(StreamId stream, RequestHead&& head, Direction, Stamp) override {
    open(stream, Side::kRequest, head.headers);
  }
  void response(StreamId stream, ResponseHead&& head, Stamp) override {
    open(stream, Side::kResponse, head.headers);
  }
  void body(StreamId stream, Side side, std::string_view bytes, Stamp) override {
    Body& body = at(stream, side);
    body.coding.feed(bytes, [&](std::string_view part) { body.decoder->feed(part, 1, *this); });
  }
  void gap(StreamId, Side, std::uint64_t) override { ++lost; }
  void finish(StreamId stream, Side side, Stamp) override {
    at(stream, side).decoder->finish(1, true, *this);
  }
  void message(StreamId, Side, std::string_view, bool, Stamp) override { ++events; }
  void end(StreamId stream, End, Stamp) override {
    bodies_.erase(stream);
    ++ended;
  }
  void loss(LossReason, std::uint64_t) override { ++lost; }

  std::size_t events = 0, ended = 0, lost = 0;

 private:
  struct Body {
    ContentCoding coding;
    std::unique_ptr<BodyDecoder> decoder;
  };
  void open(StreamId stream, Side side, const Headers& headers) {
    at(stream, side) = {ContentCoding(headers), make_body_decoder(headers, limits_)};
  }
  Body& at(StreamId stream, Side side) { return bodies_[stream][static_cast<std::size_t>(side)]; }
  void event(const BodyEvent& event) override {
    ++events;
    benchmark::DoNotOptimize(event.data.data());
  }

  BodyLimits limits_;
  std::map<StreamId, std::array<Body, 2>> bodies_;
};

void run_decoders(benchmark::State& state, const Recording& recording) {
  const bool http2 = detect_wire(recording.chunks.front().bytes) == WireFormat::kHttp2;
  for (auto _ : state) {
    EventCounter sink(bench_limits());
    std::unique_ptr<Decoder> decoder;
    if (http2) decoder = std::make_unique<Http2Decoder>();
    if (!http2) decoder = std::make_unique<Http1Decoder>();
    for (const auto& chunk : recording.chunks) {
      decoder->feed(chunk.direction, chunk.bytes, {chunk.begin_ns, chunk.end_ns}, sink);
    }
    if (sink.ended != recording.calls || sink.lost != 0 || sink.events < recording.json.size()) {
      state.SkipWithError("the recording did not decode");
      return;
    }
  }
  set_rate(state, recording.wire_bytes);
}

void run_simdjson(benchmark::State& state, const Recording& recording) {
  simdjson::dom::parser parser;
  for (auto _ : state) {
    for (const auto text : recording.json) {
      simdjson::dom::element root;
      const auto error = parser.parse(text.data(), text.size(), false).get(root);
      if (error != simdjson::SUCCESS) state.SkipWithError("no JSON");
      benchmark::DoNotOptimize(root);
    }
  }
  set_rate(state, recording.json_bytes);
}

void run_memcpy(benchmark::State& state, const Recording& recording) {
  std::string target(recording.wire_bytes, '\0');
  for (auto _ : state) {
    char* at = target.data();
    for (const auto& chunk : recording.chunks) {
      std::memcpy(at, chunk.bytes.data(), chunk.bytes.size());
      at += chunk.bytes.size();
    }
    benchmark::ClobberMemory();
  }
  set_rate(state, recording.wire_bytes);
}

void add(const std::string& name, Make make) {
  const auto each = [&](const char* what, void (*run)(benchmark::State&, const Recording&)) {
    benchmark::RegisterBenchmark((name + "/" + what).c_str(),
                                 [name, make, run](benchmark::State& state) {
                                   run(state, recording_of(name, make));
                                 });
  };
  each("decoders", run_decoders);
  each("records", run_llmtap);
  each("simdjson", run_simdjson);
  each("memcpy", run_memcpy);
}

void add_streams() {
  constexpr std::size_t kCalls = 8, kEvents = 2000, kTlsRecord = 16 * 1024;
  const std::pair<const char*, Transport> transports[] = {{"http1", Transport::kHttp1},
                                                          {"http2", Transport::kHttp2}};
  const std::pair<const char*, Dialect> dialects[] = {{"openai", Dialect::kOpenAi},
                                                      {"anthropic", Dialect::kAnthropic},
                                                      {"not_llm", Dialect::kNone}};
  const std::pair<const char*, std::size_t> chunks[] = {{"16K", kTlsRecord}, {"event", 0}};
  for (const auto& [transport_name, transport] : transports) {
    for (const auto& [dialect_name, dialect] : dialects) {
      for (const auto& [chunk_name, bytes] : chunks) {
        Streams streams;
        streams.transport = transport;
        streams.dialect = dialect;
        streams.calls = kCalls;
        streams.events = kEvents;
        streams.chunk_bytes = bytes;
        add(std::string("sse/") + transport_name + "/" + dialect_name + "/" + chunk_name,
            [streams] { return sse(streams); });
      }
    }
  }
}

void add_bodies() {
  constexpr std::size_t kTlsRecord = 16 * 1024, kTotal = std::size_t{4} << 20;
  const std::pair<const char*, std::size_t> sizes[] = {
      {"1K", 1024}, {"64K", 64 << 10}, {"1M", 1 << 20}, {"64M", 64 << 20}};
  for (const auto& [size_name, size] : sizes) {
    const std::size_t calls = std::max<std::size_t>(1, kTotal / size);
    for (const auto& [what, dialect, large] :
         {std::tuple{"openai_request", Dialect::kOpenAi, Large::kRequest},
          std::tuple{"openai_response", Dialect::kOpenAi, Large::kResponse},
          std::tuple{"not_llm_response", Dialect::kNone, Large::kResponse}}) {
      add(std::string("json/") + what + "/" + size_name,
          [=, d = dialect, l = large, s = size] { return json_bodies(d, l, calls, s, kTlsRecord); });
    }
  }
}

// Google Benchmark's own lines, then one line per recording with the ratios.
class RatioReporter final : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const auto& run : runs) {
      if (run.error_occurred || run.run_type != Run::RT_Iteration) continue;
      const std::string name = run.run_name.function_name;
      const auto slash = name.rfind('/');
      auto& row = rows_[name.substr(0, slash)][name.substr(slash + 1)];
      const double ns = run.cpu_accumulated_time / static_cast<double>(run.iterations) * 1e9;
      const double rate = run.counters.at("bytes_per_second");
      if (row.ns == 0 || ns < row.ns) row = {ns, rate / 1e9};
    }
  }
  void Finalize() override {
    std::printf("\n%-34s %9s %9s %9s %9s | %s\n", "GB/s, best of the repetitions", "decoders",
                "records", "simdjson", "memcpy", "time: decoders x memcpy, records x simdjson");
    for (auto& [name, row] : rows_) {
      std::printf("%-34s %9.2f %9.2f %9.2f %9.2f | %5.1f %5.2f\n", name.c_str(),
                  row["decoders"].rate, row["records"].rate, row["simdjson"].rate,
                  row["memcpy"].rate, row["decoders"].ns / row["memcpy"].ns,
                  row["records"].ns / row["simdjson"].ns);
    }
  }

 private:
  struct Cell {
    double ns = 0;    // for the whole recording
    double rate = 0;  // GB/s
  };
  std::map<std::string, std::map<std::string, Cell>> rows_;
};

}  // namespace
}  // namespace llmtap::bench

int main(int argc, char** argv) {
  llmtap::bench::add_streams();
  llmtap::bench::add_bodies();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  llmtap::bench::RatioReporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  return 0;
}
