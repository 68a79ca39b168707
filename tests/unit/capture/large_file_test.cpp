// SPDX-License-Identifier: Apache-2.0
//
// What a program of 400 MB without symbols costs, and whom it holds up.
#include <fcntl.h>
#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <thread>

#include "tests/unit/capture/elf_builder.h"
#include "userspace/capture/elf.h"
#include "userspace/capture/probe_table.h"
#include "userspace/capture/tls_files.h"

using namespace llmtap;
using namespace llmtap::test;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kHalf = 200U << 20;  // of code, and of data

double cpu_seconds() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// VmHWM or VmRSS of this process, in MB.
long memory(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(name)) return std::stol(line.substr(name.size() + 1)) / 1024;
  return -1;
}

Bytes noise(std::size_t size) {
  Bytes bytes(size);
  std::uint64_t random = 88172645463325252ULL;
  for (std::size_t k = 0; k + 8 <= size; k += 8) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    std::memcpy(bytes.data() + k, &random, sizeof(random));
  }
  return bytes;
}

Bytes text(const std::string& s) { return Bytes(s.begin(), s.end()); }

Bytes lea_rdx(std::uint64_t at, std::uint64_t target) {
  Bytes code = {0x48, 0x8d, 0x15, 0, 0, 0, 0};
  const auto distance = static_cast<std::int32_t>(target - at - code.size());
  std::memcpy(code.data() + 3, &distance, sizeof(distance));
  return code;
}

// Static OpenSSL at the far ends; all other searches run in vain.
std::string large_program() {
  ElfBuilder builder;
  builder.function(0, noise(kHalf)).data(0, noise(kHalf));
  const std::string names[] = {"ssl_read_internal", "ssl_write_internal"};
  std::uint64_t at = kHalf, name_at = kHalf + 1;
  Bytes calls;
  for (const auto& name : names) {
    builder.data(name_at, text(std::string(1, '\0') + name + '\0'));
    const Bytes padding(16, 0xcc), push = {0x41, 0x57}, ret = {0xc3};
    Bytes code = padding;
    code.insert(code.end(), push.begin(), push.end());
    const Bytes load = lea_rdx(kTextAddress + at + code.size(), kDataAddress + name_at + 1);
    code.insert(code.end(), load.begin(), load.end());
    code.insert(code.end(), ret.begin(), ret.end());
    builder.function(at, code);
    // A call of it, from 256 bytes behind.
    const std::uint64_t from = kHalf + 256 + calls.size();
    const auto distance = static_cast<std::int32_t>(at + padding.size() - from - 5);
    calls.push_back(0xe8);
    calls.resize(calls.size() + 4);
    std::memcpy(calls.data() + calls.size() - 4, &distance, 4);
    at += 64;
    name_at += 64;
  }
  builder.function(kHalf + 256, calls);
  builder.data(name_at, text(std::string("rustls OpenSSL 3.0.1 1 Jan 2026") + '\0'));
  return builder.build();
}

class Attacher final : public ProbeAttacher {
 public:
  Result<std::uint64_t> attach(const std::string&, const ProbePlan&) override {
    return std::uint64_t{1};
  }
  void detach(std::uint64_t) override {}
};

}  // namespace

TEST_CASE("search: 400 MB in a second and 200 MB of memory, and nobody waits", "[unit]") {
  const TemporaryFile program(large_program());
  REQUIRE(memory("VmRSS:") < 100);  // what made the file is gone again
  {
    std::ofstream("/proc/self/clear_refs") << 5;  // the peak starts here
    const long before = memory("VmHWM:");
    const double start = cpu_seconds();
    auto elf = ElfFile::open(program.path());
    REQUIRE(elf.ok());
    const auto plan = plan_probes(*elf);
    const double seconds = cpu_seconds() - start;
    const long megabytes = memory("VmHWM:") - before;
    WARN("400 MB: " << seconds << " s of processor time, " << megabytes << " MB");
    CHECK(plan.reason == "");
    CHECK(plan.sites.size() == 2);
#ifndef __SANITIZE_THREAD__  // whose shadow costs both
#ifdef __OPTIMIZE__
    CHECK(seconds < 1.0);
#endif
    CHECK(megabytes < 200);
#endif
  }
  Attacher attacher;
  TlsFiles files(attacher);
  const auto examine = [&](const std::string& path) {
    return files.examine(Fd(open(path.c_str(), O_RDONLY)), path);
  };
  const auto large = examine(program.path());
  const auto start = std::chrono::steady_clock::now();
  const auto small = examine("/usr/lib/x86_64-linux-gnu/libssl.so.3");
  const auto took = std::chrono::steady_clock::now() - start;
  REQUIRE(large);
  REQUIRE(small);
  CHECK(files.tls(*small)->attachments.size() == 1);
  CHECK_FALSE(files.is_done(*large));
  CHECK(took < 200ms);  // a millisecond; the rest is for busy machines
  while (!files.is_done(*large)) std::this_thread::sleep_for(10ms);
  CHECK(files.tls(*large)->attachments.size() == 1);
}
