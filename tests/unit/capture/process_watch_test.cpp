// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/process_watch.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "tests/unit/capture/elf_builder.h"
#include "userspace/capture/grace_periods.h"
#include "userspace/capture/usual_places.h"

using namespace llmtap;
using namespace std::chrono_literals;

namespace {

constexpr const char* kLibSsl = "/usr/lib/x86_64-linux-gnu/libssl.so.3";

// Remembers what is attached, by inode.
class FakeAttacher final : public ProbeAttacher {
 public:
  Result<std::uint64_t> attach(const std::string& path, const ProbePlan& plan) override {
    struct stat status = {};
    if (stat(path.c_str(), &status) != 0) return Error{"no such file"};
    const std::lock_guard lock(mutex_);
    attached_[++last_] = status.st_ino;
    ++times_[status.st_ino];
    if (plan.sites.empty()) return Error{"nothing to attach"};
    return last_;
  }
  Result<std::uint64_t> attach_in(const std::string& path, const ProbePlan& plan,
                                  pid_t pid) override {
    auto id = attach(path, plan);
    const std::lock_guard lock(mutex_);
    if (id) in_[*id] = pid;
    return id;
  }
  void detach(std::uint64_t id) override {
    const std::lock_guard lock(mutex_);
    attached_.erase(id);
    in_.erase(id);
  }
  // Where the file is probed; 0 for every process.
  std::set<pid_t> where(ino_t inode) const {
    const std::lock_guard lock(mutex_);
    std::set<pid_t> pids;
    for (const auto& [id, i] : attached_)
      if (i == inode) pids.insert(in_.count(id) != 0 ? in_.at(id) : 0);
    return pids;
  }
  bool holds(ino_t inode) const {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, i] : attached_)
      if (i == inode) return true;
    return false;
  }
  int times(ino_t inode) const {
    const std::lock_guard lock(mutex_);
    const auto found = times_.find(inode);
    return found == times_.end() ? 0 : found->second;
  }

 private:
  mutable std::mutex mutex_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, ino_t> attached_;
  std::map<std::uint64_t, pid_t> in_;
  std::map<ino_t, int> times_;
};

class FakeListener final : public ProcessListener {
 public:
  void process_seen(pid_t pid) override { add(seen_, pid); }
  void process_gone(pid_t pid) override { add(gone_, pid); }
  bool seen(pid_t pid) const { return has(seen_, pid); }
  bool gone(pid_t pid) const { return has(gone_, pid); }

 private:
  void add(std::set<pid_t>& to, pid_t pid) {
    const std::lock_guard lock(mutex_);
    to.insert(pid);
  }
  bool has(const std::set<pid_t>& in, pid_t pid) const {
    const std::lock_guard lock(mutex_);
    return in.count(pid) != 0;
  }
  mutable std::mutex mutex_;
  std::set<pid_t> seen_, gone_;
};

// A python that runs `script` until it is stopped.
class Python {
 public:
  explicit Python(const std::string& script) {
    pid_ = fork();
    if (pid_ == 0) {
      execl("/usr/bin/python3", "python3", "-c", script.c_str(), nullptr);
      _exit(127);
    }
  }
  Python(const Python&) = delete;
  Python& operator=(const Python&) = delete;
  ~Python() { stop(); }
  void stop() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
};

bool within(std::chrono::milliseconds time, const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + time;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

std::string content(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

ino_t inode(const std::string& path) {
  struct stat status = {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  return status.st_ino;
}

std::optional<ProcessTls> find(const ProcessWatch& watch, pid_t pid) {
  for (auto& process : watch.processes())
    if (process.pid == pid) return process;
  return std::nullopt;
}

std::string load_and_wait(const std::string& library) {
  return "import ctypes,time\nctypes.CDLL('" + library + "')\ntime.sleep(60)";
}

}  // namespace

TEST_CASE("watch: the host's libssl is probed before anybody maps it", "[unit]") {
  FakeAttacher attacher;
  auto watch = ProcessWatch::start(attacher, nullptr);
  REQUIRE(watch.ok());
  REQUIRE((*watch)->wait_until_settled(30s));
  CHECK(attacher.holds(inode(kLibSsl)));
  CHECK(attacher.times(inode(kLibSsl)) == 1);
}

TEST_CASE("watch: a library that is loaded late, and its end", "[unit]") {
  const test::TemporaryFile library(content(kLibSsl));
  FakeAttacher attacher;
  FakeListener listener;
  WatchOptions options;
  options.files.keep_unused = 100ms;
  options.at_start = false;
  auto watch = ProcessWatch::start(attacher, &listener, options);
  REQUIRE(watch.ok());
  REQUIRE((*watch)->wait_until_settled(30s));
  const ino_t copy = inode(library.path());
  CHECK_FALSE(attacher.holds(copy));
  {
    Python one(load_and_wait(library.path()));
    REQUIRE(within(10s, [&] { return attacher.holds(copy); }));
    Python two(load_and_wait(library.path()));
    REQUIRE(within(10s, [&] { return find(**watch, two.pid()).has_value(); }));
    CHECK(attacher.times(copy) == 1);  // once per file
    const auto process = find(**watch, one.pid());
    REQUIRE(process);
    CHECK(process->exe.find("python") != std::string::npos);
    REQUIRE(process->files.size() == 1);
    CHECK(process->files[0].plan.sites.size() == 3);
    CHECK(process->files[0].path == library.path());
    CHECK(listener.seen(one.pid()));
    const pid_t pid = one.pid();
    one.stop();
    CHECK(within(10s, [&] { return listener.gone(pid); }));
    CHECK(attacher.holds(copy));  // the other one still maps it
  }
  CHECK(within(20s, [&] { return !attacher.holds(copy); }));
}

TEST_CASE("watch: an unlinked library", "[unit]") {
  FakeAttacher attacher;
  WatchOptions options;
  options.at_start = false;
  auto watch = ProcessWatch::start(attacher, nullptr, options);
  REQUIRE(watch.ok());
  ino_t copy = 0;
  int fd = -1;
  {
    const test::TemporaryFile library(content(kLibSsl));
    copy = inode(library.path());
    fd = open(library.path().c_str(), O_RDONLY);  // inherited by the child
  }
  Python python(load_and_wait("/proc/self/fd/" + std::to_string(fd)));
  CHECK(within(10s, [&] { return attacher.holds(copy); }));
  close(fd);
}

TEST_CASE("watch: processes that run already, and their children", "[unit]") {
  const test::TemporaryFile library(content(kLibSsl));
  Python parent("import ctypes,os,time\nctypes.CDLL('" + library.path() +
                "')\ntime.sleep(1)\nos.fork()\ntime.sleep(60)");
  FakeAttacher attacher;
  REQUIRE(within(10s, [&] {
    std::ifstream maps("/proc/" + std::to_string(parent.pid()) + "/maps");
    const std::string text((std::istreambuf_iterator<char>(maps)), {});
    return text.find(library.path()) != std::string::npos;
  }));
  auto watch = ProcessWatch::start(attacher, nullptr);
  REQUIRE(watch.ok());
  REQUIRE((*watch)->wait_until_settled(30s));
  CHECK(attacher.holds(inode(library.path())));
  const auto users = [&] {
    int count = 0;
    for (const auto& process : (*watch)->processes())
      for (const auto& file : process.files) {
        if (file.path != library.path()) continue;
        ++count;
        if (process.pid != parent.pid()) kill(process.pid, SIGKILL);
      }
    return count;
  };
  CHECK(within(10s, [&] { return users() == 2; }));
}

TEST_CASE("watch: a process is left out, its neighbours are not", "[unit]") {
  const test::TemporaryFile library(content(kLibSsl));
  const ino_t file = inode(library.path());
  const auto maps = [&](const ProcessWatch& watch, pid_t pid) {
    const auto found = find(watch, pid);
    return found && std::any_of(found->files.begin(), found->files.end(),
                                [&](const TlsFile& f) { return f.id.inode == file; });
  };
  FakeAttacher attacher;
  auto started = ProcessWatch::start(attacher, nullptr);
  REQUIRE(started.ok());
  ProcessWatch& watch = **started;
  REQUIRE(watch.wait_until_settled(30s));
  Python busy(load_and_wait(library.path())), other(load_and_wait(library.path()));
  REQUIRE(within(10s, [&] { return maps(watch, busy.pid()) && maps(watch, other.pid()); }));
  REQUIRE(within(10s, [&] { return attacher.where(file) == std::set<pid_t>{0}; }));
  // python itself may carry TLS that many processes share: then it stays hooked there.
  watch.leave_out({busy.pid()});
  CHECK(attacher.where(file) == std::set{other.pid()});
  Python late(load_and_wait(library.path()));
  CHECK(within(10s, [&] {
    return attacher.where(file) == std::set{other.pid(), late.pid()};
  }));
  other.stop();
  CHECK(within(15s, [&] { return attacher.where(file) == std::set{late.pid()}; }));
  watch.leave_out({});
  CHECK(attacher.where(file) == std::set<pid_t>{0});
  late.stop();
  // Alone with the file, nothing is left of it.
  watch.leave_out({busy.pid()});
  CHECK(within(15s, [&] { return attacher.where(file).empty(); }));
}

// ThreadSanitizer sees whether the guard goes while the watch still uses it.
TEST_CASE("watch: ends right after it has met a root of its own, guard included", "[unit]") {
  FakeAttacher attacher;
  FakeListener listener;
  WatchOptions options;
  options.hold_exec = true;
  auto watch = ProcessWatch::start(attacher, &listener, options);
  REQUIRE(watch.ok());
  REQUIRE((*watch)->wait_until_settled(30s));
  const pid_t pid = fork();
  if (pid == 0) {
    static_cast<void>(unshare(CLONE_NEWNS));  // as a container's; without root the host's
    execl("/bin/sleep", "sleep", "60", nullptr);
    _exit(127);
  }
  CHECK(within(10s, [&] { return listener.seen(pid); }));
  watch->reset();
  kill(pid, SIGKILL);
  CHECK(waitpid(pid, nullptr, 0) == pid);
}

TEST_CASE("watch: a file that is overwritten in place is looked at again", "[unit]") {
  const test::TemporaryFile library(content("/bin/ls"));
  FakeAttacher attacher;
  TlsFiles files(attacher);
  const auto examine = [&] {
    return files.examine(Fd(open(library.path().c_str(), O_RDONLY)), library.path());
  };
  const auto first = examine();
  REQUIRE(first);
  REQUIRE(within(10s, [&] { return files.idle(); }));
  CHECK_FALSE(files.tls(*first));
  std::ofstream(library.path(), std::ios::binary) << content(kLibSsl);
  const auto second = examine();
  REQUIRE(second == first);
  CHECK(files.tls(*first));
  CHECK(attacher.holds(first->inode));
  std::ofstream(library.path(), std::ios::binary) << content("/bin/ls");
  CHECK_FALSE(files.is_current(*first));
  examine();
  CHECK_FALSE(attacher.holds(first->inode));
}

TEST_CASE("watch: grace periods are short during an attach only", "[unit]") {
  const test::TemporaryFile knob("0\n");
  const auto value = [&] { return content(knob.path().c_str())[0]; };
  const std::string marker = knob.path() + ".set";
  const auto marked = [&] { return access(marker.c_str(), F_OK) == 0; };
  GracePeriods periods(knob.path(), marker);
  {
    const GracePeriods::Hurry outer(periods);
    CHECK(value() == '1');
    CHECK(marked());
    {
      const GracePeriods::Hurry inner(periods);
    }
    CHECK(value() == '1');
  }
  CHECK(value() == '0');
  CHECK_FALSE(marked());
  // A daemon that was killed in the middle: the next one puts it back.
  std::ofstream(knob.path()) << "1\n";
  std::ofstream{marker};
  {
    const GracePeriods next(knob.path(), marker);
  }
  CHECK(value() == '0');
  CHECK_FALSE(marked());
  // Somebody else's setting stays.
  std::ofstream(knob.path()) << "1\n";
  {
    const GracePeriods::Hurry hurry(periods);
  }
  CHECK(value() == '1');
  // A machine without it.
  GracePeriods none("/nonexistent", marker);
  const GracePeriods::Hurry hurry(none);
}

TEST_CASE("watch: what a program will run", "[unit]") {
  struct Case {
    const char* name;
    std::string content;
    std::vector<std::string> also;
  };
  const Case cases[] = {
      {"not a script", "hello", {}},
      {"script", "#!/bin/sh\necho\n", {"/bin/sh"}},
      {"by env", "#!/usr/bin/env python3\n", {"/usr/bin/python3"}},
      {"by env with options", "#!/usr/bin/env -S A=1 python3 -u\n", {"/usr/bin/python3"}},
      {"empty line", "#!\n", {}},
      {"no such interpreter", "#!/nonexistent/x\n", {}},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      const test::TemporaryFile script(c.content);
      std::vector<std::string> seen;
      visit_program(script.path(), "/nonexistent:/usr/bin:/bin",
                    [&](Fd, const std::string& path) { seen.push_back(path); });
      REQUIRE_FALSE(seen.empty());
      CHECK(seen.front() == script.path());
      seen.erase(seen.begin());
      CHECK(seen == c.also);
    }
  }
}
