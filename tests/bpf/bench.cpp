// SPDX-License-Identifier: Apache-2.0
//
// What a tap costs per TLS call (stop other taps first: they hook the test program as well): a
// saturating in-memory ping-pong without a tap, with the naive one (bpftrace: uprobe and uretprobe
// on the exported functions), and with ours. One run, as ratios. Every round measures all
// contestants, so that a noisy machine is noisy for all of them.
//
//   bench_tls [ROUNDS [ours]]      ours: without bpftrace and the older ways of attaching
#include <bpf/bpf.h>
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
#include "userspace/capture/process_watch.h"

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

// uprobe and uretprobe on the exported functions: one that counts, and one that hands over the
// bytes (the first 200, bpftrace's most), as ours does.
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

// What the kernel says its programs took, all that are loaded under the name.
struct ProgramTime {
  std::uint64_t ns = 0, runs = 0;
};
ProgramTime program_time(const std::string& name) {
  ProgramTime sum;
  for (std::uint32_t id = 0; bpf_prog_get_next_id(id, &id) == 0;) {
    const Fd program(bpf_prog_get_fd_by_id(id));
    bpf_prog_info info{};
    std::uint32_t size = sizeof(info);
    if (!program || bpf_obj_get_info_by_fd(program.get(), &info, &size) != 0) continue;
    if (name != info.name) continue;
    sum.ns += info.run_time_ns;
    sum.runs += info.run_cnt;
  }
  return sum;
}

// Ours, with a thread that reads the ring.
enum class Links { kEverybody, kOthers, kEachOfMany };

// For every process; in another process only; in each of several, the measured one being the last.
void attach(KernelSource& source, Links links, pid_t subject) {
  std::vector<pid_t> pids{0};
  if (links == Links::kOthers) pids = {getpid()};
  if (links == Links::kEachOfMany) {
    pids.assign(ProcessFiles::kMostSharers - 1, getpid());
    pids.push_back(subject);
  }
  for (const pid_t pid : pids) {
    if (auto attached = source.attach(libssl_path(), planned(), pid); !attached) {
      throw std::runtime_error(attached.error().message);
    }
  }
}

void measure_ours(Row& row, AttachMode mode, tls_verdict verdict, Links links = Links::kEverybody) {
  KernelOptions options;
  options.mode = mode;
  if (const char* ring = std::getenv("RING_KIB")) {
    options.ring_bytes = static_cast<std::uint32_t>(std::atoi(ring)) << 10;
  }
  auto opened = KernelSource::open(options);
  if (!opened) throw std::runtime_error(opened.error().message);
  KernelSource& source = **opened;
  if (links != Links::kEachOfMany) attach(source, links, 0);
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
  measure(row, [&](Subject& subject) {
    if (links == Links::kEachOfMany) attach(source, links, subject.pid());
    subject.ask("write 10");
    subject.ask("reply 10");
    usleep(50'000);  // the verdicts
  });
  ProgramTime time;
  {
    const Fd statistics(bpf_enable_stats(BPF_STATS_RUN_TIME));
    Subject subject;
    subject.connect();
    subject.ask("write 10");
    subject.ask("reply 10");
    usleep(50'000);
    const ProgramTime before = program_time("call_session");
    subject.ask("bench 512 200");
    time = program_time("call_session");
    time = {time.ns - before.ns, time.runs - before.runs};
  }
  stop = true;
  reader.join();
  const auto losses = source.losses();
  std::printf("#   %-28s %llu chunks, %llu bytes, %llu lost; program %.0f ns per trap\n", row.name,
              static_cast<unsigned long long>(chunks), static_cast<unsigned long long>(bytes),
              static_cast<unsigned long long>(losses.times(LossReason::kRingFull)),
              time.runs == 0 ? 0.0 : static_cast<double>(time.ns) / static_cast<double>(time.runs));
}

void print(const Row& row, const Row& none, const Row& naive) {
  std::printf("%-28s", row.name);
  for (int i = 0; i < kSizeCount; ++i) {
    const double added = row.ns[i] - none.ns[i];
    std::printf(" | %8.0f %+7.0f", row.ns[i], added);
    if (added > 0)
      std::printf("  1/%-5.1f", (naive.ns[i] - none.ns[i]) / added);
    else
      std::printf("  %-7s", "-");
  }
  std::printf("\n");
}

int bench(int rounds, bool ours) {
  Row none{"no tap"}, counting{"naive, counts only"}, naive{"naive, captures 200 B"};
  Row llm{"llmtap, LLM connection"};
  Row ignored{"llmtap, ignored connection"}, multi{"llmtap, LLM, uprobe_multi"};
  Row unhooked{"llmtap, unhooked process"}, many{"llmtap, LLM, one of 16 links"};
  for (int i = 0; i < rounds; ++i) {
    measure(none, [](Subject&) {});
    for (Row* row : {&counting, &naive}) {
      if (ours) break;
      Bpftrace bpftrace(row == &naive);
      if (!bpftrace.alive()) {
        std::fprintf(stderr, "bpftrace does not run: no naive tap to compare with\n");
        return 1;
      }
      measure(*row, [](Subject&) {});
    }
    measure_ours(llm, AttachMode::kSession, TLS_VERDICT_LLM);
    measure_ours(ignored, AttachMode::kSession, TLS_VERDICT_IGNORE);
    measure_ours(unhooked, AttachMode::kSession, TLS_VERDICT_LLM, Links::kOthers);
    measure_ours(many, AttachMode::kSession, TLS_VERDICT_LLM, Links::kEachOfMany);
    if (!ours) measure_ours(multi, AttachMode::kMulti, TLS_VERDICT_LLM);
  }
  std::printf("ns per TLS call, added to no tap, share of the naive tap's addition\n%-28s", "");
  for (const int size : kSizes) std::printf(" | %-24d", size);
  std::printf("\n");
  for (const Row* row : {&none, &naive, &counting, &llm, &many, &multi, &ignored, &unhooked}) {
    if (row->ns[0] < 1e17) print(*row, none, naive);
  }
  return 0;
}

}  // namespace
}  // namespace llmtap::test

int main(int argc, char** argv) {
  return llmtap::test::bench(argc > 1 ? std::atoi(argv[1]) : 3, argc > 2);
}
