// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/busy_processes.h"

#include <catch2/catch.hpp>

using namespace llmtap;
using namespace std::chrono_literals;

namespace {

constexpr pid_t kServer = 4711;

ProcessUse use(std::uint64_t calls, bool llm = false, bool judged = true) {
  return {kServer, calls, llm, judged};
}

// One look every second, as many as there are uses; whether the server is left out afterwards.
bool left_out_after(const std::vector<ProcessUse>& uses) {
  BusyProcesses busy({1000, 3000ms, 60s});
  auto now = BusyProcesses::Clock::time_point{};
  for (const auto& one : uses) busy.judge({one}, 1000ms, now += 1s);
  return busy.left_out().count(kServer) != 0;
}

}  // namespace

TEST_CASE("busy: who is left out", "[unit]") {
  struct Case {
    const char* name;
    std::vector<ProcessUse> uses;
    bool left_out;
  };
  const Case cases[] = {
      {"busy for long enough", {use(5000), use(5000), use(5000)}, true},
      {"not yet", {use(5000), use(5000)}, false},
      {"not busy enough", {use(900), use(999), use(900), use(900)}, false},
      {"a pause", {use(5000), use(5000), use(10), use(5000), use(5000)}, false},
      {"an LLM connection", {use(5000), use(5000, true), use(5000), use(5000), use(5000)}, false},
      {"an LLM connection before", {use(1, true), use(5000), use(5000), use(5000)}, false},
      {"nothing known of it",
       {use(5000, false, false), use(5000, false, false), use(5000, false, false)},
       false},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) { CHECK(left_out_after(c.uses) == c.left_out); }
  }
}

TEST_CASE("busy: tried again later, forgotten with the process, off", "[unit]") {
  BusyProcesses busy({1000, 1000ms, 60s});
  auto now = BusyProcesses::Clock::time_point{};
  CHECK(busy.judge({use(5000)}, 1000ms, now += 1s));
  CHECK(busy.left_out().size() == 1);
  CHECK_FALSE(busy.judge({}, 1000ms, now += 59s));
  CHECK(busy.judge({}, 1000ms, now += 1s));
  CHECK(busy.left_out().empty());
  CHECK(busy.judge({use(5000)}, 1000ms, now += 1s));
  busy.gone(kServer);
  CHECK(busy.left_out().empty());
  busy.speaks_llm(kServer);
  CHECK_FALSE(busy.judge({use(5000)}, 1000ms, now += 1s));

  BusyProcesses off({0, 0ms, 60s});
  CHECK_FALSE(off.judge({use(1000000)}, 1000ms, now));
}
