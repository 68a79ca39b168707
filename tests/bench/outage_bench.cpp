// SPDX-License-Identifier: Apache-2.0
//
// A destination that is down for minutes while calls go on: encodes RATE calls a second into a real
// spool with nobody listening, then opens the receiver and counts spans by id. Ends with 1 unless
// spans received are the spans emitted, but for what the counters say was dropped.
//   bench_outage [SECONDS] [RATE]      default: 600 s at 500 a second
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "tests/support/http_receiver.h"
#include "tests/support/scratch_directory.h"
#include "userspace/base/clock.h"
#include "userspace/sinks/llmobs_exporter.h"

using namespace llmtap;
using Clock = std::chrono::steady_clock;

namespace {

SharedCall make_call(std::size_t number) {
  auto call = std::make_shared<CallRecord>();
  call->id = "outage-" + std::to_string(number);
  call->provider = "openai";
  call->dialect = "openai_chat";
  call->model_requested = "gpt-4o";
  call->host = "api.openai.com";
  call->process.service = "shop";
  call->timing.request_start = unix_ns();
  call->timing.end = call->timing.request_start + 1'000'000'000;
  call->http_status = 200;
  Message message;
  message.role = "user";
  message.parts.emplace_back().text = "Question number " + std::to_string(number) + " of an outage";
  call->input = {message};
  message.role = "assistant";
  call->output = {message};
  return call;
}

// Every span id of a batch, counted.
class Ids {
 public:
  void take(const std::string& body) {
    constexpr std::string_view kKey = "\"span_id\":";
    const std::lock_guard lock(mutex_);
    // Each event says it twice, in `_dd` as well: sets do not care.
    for (auto at = body.find(kKey); at != std::string::npos; at = body.find(kKey, at + 1)) {
      const auto begin = body.find('"', at + kKey.size()) + 1;
      ids_.insert(std::strtoull(body.c_str() + begin, nullptr, 10));
    }
  }
  std::size_t count() const {
    const std::lock_guard lock(mutex_);
    return ids_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::set<std::uint64_t> ids_;
};

int free_port() {
  test::HttpReceiver receiver;
  return receiver.port();
}

}  // namespace

int main(int argc, char** argv) {
  const int seconds = argc > 1 ? std::atoi(argv[1]) : 600;
  const int rate = argc > 2 ? std::atoi(argv[2]) : 500;
  const auto total = static_cast<std::size_t>(seconds) * static_cast<std::size_t>(rate);
  test::ScratchDirectory scratch;
  const int port = free_port();
  LlmobsTarget target;
  target.agentless = false;
  target.agent_url = "http://127.0.0.1:" + std::to_string(port);
  LlmobsWriter writer(target, std::move(*Spool::open(scratch.path("spool"), 1ULL << 30)));

  const auto start = Clock::now();
  double worst_ms = 0;  // how long one write held the sink's thread
  for (std::size_t i = 0; i < total; ++i) {
    std::this_thread::sleep_until(
        start + std::chrono::microseconds(i * 1'000'000 / static_cast<std::size_t>(rate)));
    const auto before = Clock::now();
    const SharedCall calls[] = {make_call(i)};
    writer.write(calls);
    worst_ms = std::max(worst_ms,
                        std::chrono::duration<double, std::milli>(Clock::now() - before).count());
  }
  const auto counted = [&writer] {
    SinkCounts counts;
    writer.count(counts);
    return counts.delivery.value_or(DeliveryCounts{});
  };
  const auto down = counted();
  std::printf(
      "down %d s at %d calls/s: %zu emitted, %ju wait (%ju MiB), %ju dropped; slowest write %.1f "
      "ms\n",
      seconds, rate, total, static_cast<std::uintmax_t>(down.spool.records),
      static_cast<std::uintmax_t>(down.spool.bytes >> 20),
      static_cast<std::uintmax_t>(down.spool.dropped), worst_ms);

  Ids ids;
  test::HttpReceiver receiver(
      [&ids](const test::Received& request) {
        ids.take(request.body);
        return test::Reply{};
      },
      port, false);
  const auto up = Clock::now();
  writer.flush(std::chrono::minutes{5});
  const auto counts = counted();
  std::printf("up: %zu spans received by id in %.1f s, %ju deliveries, %ju dropped\n", ids.count(),
              std::chrono::duration<double>(Clock::now() - up).count(),
              static_cast<std::uintmax_t>(counts.delivered),
              static_cast<std::uintmax_t>(counts.spool.dropped));
  return ids.count() + counts.spool.dropped + counts.rejected == total ? 0 : 1;
}
