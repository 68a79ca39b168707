// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/self_usage.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "userspace/base/clock.h"

namespace llmtap {
namespace {

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// Field 22 of /proc/self/stat (proc(5)): when we started, in ticks since boot.
double start_time() {
  std::ifstream in("/proc/self/stat");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const auto after_name = text.rfind(')');
  if (after_name == std::string::npos) return 0;
  std::istringstream fields(text.substr(after_name + 1));
  std::string skipped;
  constexpr int kBetween = 19;  // after the name stands field 3
  for (int i = 0; i < kBetween; ++i) fields >> skipped;
  double ticks = 0;
  if (!(fields >> ticks)) return 0;
  const double since_boot = ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
  const double boot = static_cast<double>(unix_ns() - clock_ns(CLOCK_BOOTTIME)) / 1e9;
  return boot + since_boot;
}

}  // namespace

SelfUsage self_usage() {
  SelfUsage usage;
  rusage used{};
  if (::getrusage(RUSAGE_SELF, &used) == 0)
    usage.cpu_seconds = seconds(used.ru_utime) + seconds(used.ru_stime);
  std::uint64_t pages = 0;
  std::uint64_t resident = 0;
  if (std::ifstream("/proc/self/statm") >> pages >> resident) {
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    usage.virtual_bytes = pages * page;
    usage.resident_bytes = resident * page;
  }
  std::error_code error;
  for (auto it = std::filesystem::directory_iterator("/proc/self/fd", error);
       !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    ++usage.open_files;
  }
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) usage.max_files = files.rlim_cur;
  usage.start_time = start_time();
  return usage;
}

}  // namespace llmtap
