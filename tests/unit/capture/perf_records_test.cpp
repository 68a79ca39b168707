// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/perf_records.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>
#include <vector>

using namespace llmtap;

// Rings are read one after the other while every CPU goes on writing: 4 to 12 of 100 were late.
TEST_CASE("records: in order of time, over all CPUs and reads", "[unit]") {
  auto records = PerfRecords::open();
  REQUIRE(records.ok());
  std::atomic<bool> stop{false};
  std::vector<std::thread> makers;
  for (int i = 0; i < 3; ++i) {
    makers.emplace_back([&stop] {
      while (!stop) {
        const pid_t pid = vfork();
        if (pid == 0) {
          execl("/bin/true", "true", nullptr);
          _exit(127);
        }
        waitpid(pid, nullptr, 0);
      }
    });
  }
  std::uint64_t last = 0;
  std::size_t count = 0, late = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(700);
  while (std::chrono::steady_clock::now() < end || count < 1000) {
    for (const auto& record : records->read()) {
      ++count;
      if (record.time_ns < last) ++late;
      last = record.time_ns;
    }
  }
  stop = true;
  for (auto& maker : makers) maker.join();
  CHECK(count >= 1000);
  CHECK(late == 0);
}
