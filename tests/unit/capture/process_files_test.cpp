// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/process_files.h"

#include <fcntl.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <map>
#include <mutex>
#include <thread>

#include "tests/unit/capture/elf_builder.h"

using namespace llmtap;
using namespace std::chrono_literals;

namespace {

// Which processes have probes of their own, 0 for everybody's; one file.
class FakeAttacher final : public ProbeAttacher {
 public:
  Result<std::uint64_t> attach(const std::string&, const ProbePlan&) override { return add(0); }
  Result<std::uint64_t> attach_in(const std::string&, const ProbePlan&, pid_t pid) override {
    return add(pid);
  }
  void detach(std::uint64_t id) override {
    const std::lock_guard lock(mutex_);
    attached_.erase(id);
  }
  std::multiset<pid_t> where() const {
    const std::lock_guard lock(mutex_);
    std::multiset<pid_t> pids;
    for (const auto& [id, pid] : attached_) pids.insert(pid);
    return pids;
  }
  std::uint64_t last() const {
    const std::lock_guard lock(mutex_);
    return attached_.rbegin()->first;
  }

 private:
  std::uint64_t add(pid_t pid) {
    const std::lock_guard lock(mutex_);
    attached_[++last_] = pid;
    return last_;
  }
  mutable std::mutex mutex_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, pid_t> attached_;
};

struct Bench {
  FakeAttacher attacher;
  test::TemporaryFile library{[] {
    std::ifstream file("/usr/lib/x86_64-linux-gnu/libssl.so.3", std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }()};
  TlsFiles files{attacher, [] {
                   TlsFilesOptions options;
                   options.keep_unused = 100ms;  // sweeps as often
                   options.rcu_knob.clear();
                   return options;
                 }()};
  ProcessFiles table{files};
  FileId id = *files.examine(Fd(open(library.path().c_str(), O_RDONLY)), library.path());

  Bench() {
    while (!files.idle()) std::this_thread::sleep_for(1ms);
  }
  bool becomes(const std::multiset<pid_t>& where) {
    for (int i = 0; i < 500 && attacher.where() != where; ++i) std::this_thread::sleep_for(10ms);
    return attacher.where() == where;
  }
};

// Nobody's: nothing here looks at the processes themselves.
constexpr pid_t kBusy = 101, kOther = 102;

}  // namespace

TEST_CASE("process files: left out, and hooked again", "[unit]") {
  Bench b;
  b.table.map(kBusy, b.id);
  b.table.map(kOther, b.id);
  CHECK(b.becomes({0}));
  CHECK(b.table.leave_out({kBusy}) == std::set{kBusy});
  CHECK(b.becomes({kOther}));
  SECTION("asked for") {
    CHECK(b.table.leave_out({}).empty());
    CHECK(b.becomes({0}));
  }
  SECTION("a child is not left out") {
    b.table.fork(kBusy, 103);
    CHECK(b.becomes({kOther, 103}));
  }
  SECTION("the busy program ends, another one runs in its process") {
    CHECK(b.table.forget(kBusy));
    b.table.exec(kBusy);
    b.table.map(kBusy, b.id);
    CHECK(b.becomes({0}));
  }
}

// A probe in one process is the task's that had the pid then: after an exec by another thread, or
// when the pid is used again, it is nobody's.
TEST_CASE("process files: a process's own probes do not outlive its image", "[unit]") {
  Bench b;
  b.table.map(kBusy, b.id);
  b.table.map(kOther, b.id);
  b.table.leave_out({kBusy});
  REQUIRE(b.becomes({kOther}));
  const auto before = b.attacher.last();
  SECTION("exec") {
    CHECK(b.table.forget(kOther));
    b.table.exec(kOther);
  }
  SECTION("the pid is used again") { CHECK(b.table.forget(kOther)); }
  SECTION("its end went unseen") { b.table.fork(kBusy, kOther); }
  b.table.map(kOther, b.id);
  CHECK(b.becomes({kOther}));
  CHECK(b.attacher.last() > before);
  CHECK_FALSE(b.table.forget(104));
}

TEST_CASE("process files: too many sharers stay hooked, with whom they share", "[unit]") {
  Bench b;
  b.table.map(kBusy, b.id);
  for (std::size_t i = 0; i <= ProcessFiles::kMostSharers; ++i)
    b.table.map(static_cast<pid_t>(200 + i), b.id);
  CHECK(b.table.leave_out({kBusy}).empty());
  CHECK(b.becomes({0}));
  b.table.forget(200);
  CHECK(b.table.leave_out({kBusy}) == std::set{kBusy});
  CHECK(b.attacher.where().count(0) == 0);
}
