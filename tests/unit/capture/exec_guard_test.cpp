// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/exec_guard.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>

#include "tests/unit/capture/elf_builder.h"

using namespace llmtap;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

ino_t inode_of(int fd) {
  struct stat status = {};
  return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

// Runs it; its exit code, and how long it took to start and end.
std::pair<int, Clock::duration> run(const std::string& path) {
  const auto begin = Clock::now();
  const pid_t pid = fork();
  if (pid == 0) {
    execl(path.c_str(), path.c_str(), nullptr);
    _exit(127);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, Clock::now() - begin};
}

}  // namespace

TEST_CASE("guard: a program waits until it was looked at, others do not", "[unit]") {
  if (geteuid() != 0) {
    ExecGuard::Hooks none{[](Fd) { return std::uint64_t{0}; }, [](std::uint64_t) { return true; }};
    const auto guard = ExecGuard::start(std::move(none));
    REQUIRE_FALSE(guard.ok());
    CHECK(guard.error().message.find("CAP_SYS_ADMIN") != std::string::npos);
    return;
  }
  std::ifstream program("/bin/true", std::ios::binary);
  const test::TemporaryFile copy(std::string((std::istreambuf_iterator<char>(program)), {}));
  REQUIRE(chmod(copy.path().c_str(), 0700) == 0);
  struct stat status = {};
  REQUIRE(stat(copy.path().c_str(), &status) == 0);
  std::atomic<int> looked{0};
  std::atomic<Clock::rep> until{0};
  ExecGuard::Hooks hooks;
  hooks.look = [&](Fd file) -> std::uint64_t {
    const bool ours = inode_of(file.get()) == status.st_ino;
    looked += ours;
    return ours ? 1 : 0;
  };
  hooks.is_done = [&](std::uint64_t name) {
    return name == 0 || Clock::now().time_since_epoch().count() >= until;
  };
  auto guard = ExecGuard::start(std::move(hooks));
  REQUIRE(guard.ok());
  (*guard)->add("/tmp");

  until = (Clock::now() + 300ms).time_since_epoch().count();
  const auto [held_code, held_time] = run(copy.path());
  CHECK(held_code == 0);
  CHECK(held_time >= 250ms);
  CHECK(looked == 1);

  until = 0;
  CHECK(run(copy.path()).first == 0);
  CHECK(looked == 2);
  CHECK(run("/bin/true").first == 0);
  CHECK(looked == 2);
}
