// SPDX-License-Identifier: Apache-2.0
//
// What a tap costs per TLS call (stop other taps first: they hook the test program as well): a saturating in-memory ping-pong without a tap, with the naive one
// (bpftrace: uprobe and uretprobe on the exported functions), and with ours. One run, as ratios.
// Every round measures all contestants, so that a noisy machine is noisy for all of them.
//
//   bench_tls [ROUNDS]
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>

#include "tests/bpf/subject.h"

namespace llmtap::test {
namespace {

constexpr int kSizes[] = {512, 4096, 16384};
constexpr int kSizeCount = 3;

struct Row {
  const char* name;
  double ns[kSizeCount] = {1e18, 1e18, 1e18};
};

// In a running connection, after `prepare` had a look at its first bytes.
void measure(Row& row, const std::function<void(Subject&)>& prepare) {
  Subject subject;
  subject.connect();
  prepare(subject);
  for (int i = 0; i < kSizeCount; ++i) {
    const auto ns = std::stod(subject.ask("bench " + std::to_string(kSizes[i]) + " 300"));
    row.ns[i] = std::min(row.ns[i], ns);
  }
}

// uprobe and uretprobe on the exported functions: one that counts, and one that hands over the bytes
// (the first 200, bpftrace's most), as ours does.
class Bpftrace {
 public:
  explicit Bpftrace(bool captures) {
    const std::string take = captures ? "printf(\"%d %r\\n\", retval, buf(@buf[tid], 200));"
                                      : "@bytes = sum(retval); @ns = nsecs - @at[tid];";
    std::string script;
    for (const char* f : {"SSL_read", "SSL_write"}) {
      const std::string at = libssl_path() + ":" + f;
      script += "uprobe:" + at + "{ @buf[tid] = arg1; @at[tid] = nsecs; } uretprobe:" + at +
                " /@buf[tid]/ { " + take + " delete(@buf[tid]); delete(@at[tid]); }";
    }
    setenv("BPFTRACE_STRLEN", "200", 1);
    pid_ = fork();
    if (pid_ == 0) {
      const int null = ::open("/dev/null", O_RDWR);
      dup2(null, 1);
      dup2(null, 2);
      execlp("bpftrace", "bpftrace", "-e", script.c_str(), nullptr);
      _exit(127);
    }
    std::this_thread::sleep_for(std::chrono::seconds(4));  // it compiles and attaches
  }
  ~Bpftrace() {
    kill(pid_, SIGINT);
    waitpid(pid_, nullptr, 0);
  }
  bool alive() const { return waitpid(pid_, nullptr, WNOHANG) == 0; }

 private:
  pid_t pid_;
};

// Ours, with a thread that reads the ring.
void measure_ours(Row& row, AttachMode mode, tls_verdict verdict) {
  KernelOptions options;
  options.mode = mode;
  auto opened = KernelSource::open(options);
  if (!opened) throw std::runtime_error(opened.error().message);
  KernelSource& source = **opened;
  if (auto attached = source.attach(libssl_path(), planned()); !attached) {
    throw std::runtime_error(attached.error().message);
  }
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> bytes = 0, chunks = 0;
  std::thread reader([&] {
    while (!stop) {
      (void)source.poll(std::chrono::milliseconds(100), [&](const Chunk& chunk) {
        bytes += chunk.bytes.size();
        ++chunks;
        if (chunk.offset == 0) source.set_verdict(chunk.conn, verdict);
      });
    }
  });
  measure(row, [](Subject& subject) {
    subject.ask("write 10");
    subject.ask("reply 10");
    usleep(50'000);  // the verdicts
  });
  stop = true;
  reader.join();
  const auto losses = source.losses();
  std::printf("#   %-28s %llu chunks, %llu bytes, %llu lost\n", row.name,
              static_cast<unsigned long long>(chunks), static_cast<unsigned long long>(bytes),
              static_cast<unsigned long long>(losses.times(LossReason::kRingFull)));
}

void print(const Row& row, const Row& none, const Row& naive) {
  std::printf("%-28s", row.name);
  for (int i = 0; i < kSizeCount; ++i) {
    const double added = row.ns[i] - none.ns[i];
    std::printf(" | %8.0f %+7.0f", row.ns[i], added);
    if (added > 0) std::printf("  1/%-5.1f", (naive.ns[i] - none.ns[i]) / added);
    else std::printf("  %-7s", "-");
  }
  std::printf("\n");
}

int bench(int rounds) {
  Row none{"no tap"}, counting{"naive, counts only"}, naive{"naive, captures 200 B"};
  Row llm{"llmtap, LLM connection"};
  Row ignored{"llmtap, ignored connection"}, multi{"llmtap, LLM, uprobe_multi"};
  for (int i = 0; i < rounds; ++i) {
    measure(none, [](Subject&) {});
    for (Row* row : {&counting, &naive}) {
      Bpftrace bpftrace(row == &naive);
      if (!bpftrace.alive()) {
        std::fprintf(stderr, "bpftrace does not run: no naive tap to compare with\n");
        return 1;
      }
      measure(*row, [](Subject&) {});
    }
    measure_ours(llm, AttachMode::kSession, TLS_VERDICT_LLM);
    measure_ours(ignored, AttachMode::kSession, TLS_VERDICT_IGNORE);
    measure_ours(multi, AttachMode::kMulti, TLS_VERDICT_LLM);
  }
  std::printf("ns per TLS call, added to no tap, share of the naive tap's addition\n%-28s", "");
  for (const int size : kSizes) std::printf(" | %-24d", size);
  std::printf("\n");
  for (const Row* row : {&none, &naive, &counting, &llm, &multi, &ignored}) print(*row, none, naive);
  return 0;
}

}  // namespace
}  // namespace llmtap::test

int main(int argc, char** argv) {
  return llmtap::test::bench(argc > 1 ? std::atoi(argv[1]) : 3);
}
