// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/observed_command.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

namespace llmtap {
namespace {

struct Pipe {
  Fd read, write;
};
Result<Pipe> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return Error{std::string("pipe: ") + std::strerror(errno)};
  return Pipe{Fd(fds[0]), Fd(fds[1])};
}

// Only async-signal-safe calls: other threads of the parent may hold locks.
[[noreturn]] void become(char* const* argv, int go, int failure) {
  char byte = 0;
  if (::read(go, &byte, 1) != 1) ::_exit(127);  // the daemon gave up
  std::signal(SIGPIPE, SIG_DFL);                // an ignored signal stays ignored across exec
  ::execvp(argv[0], argv);
  const int error = errno;
  [[maybe_unused]] const auto written = ::write(failure, &error, sizeof error);
  ::_exit(127);
}

}  // namespace

Result<ObservedCommand> ObservedCommand::fork_held(const std::vector<std::string>& command) {
  auto go = make_pipe();
  if (!go) return go.error();
  auto failure = make_pipe();
  if (!failure) return failure.error();
  std::vector<char*> argv;
  for (const auto& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) return Error{std::string("fork: ") + std::strerror(errno)};
  if (pid == 0) {
    // Our copy of the write end must go, or the end of the daemon would not end the wait.
    ::close(go->write.get());
    become(argv.data(), go->read.get(), failure->write.get());
  }
  return ObservedCommand(pid, std::move(go->write), std::move(failure->read));
}

Status ObservedCommand::release() {
  const char byte = 1;
  if (::write(go_.get(), &byte, 1) != 1) return Error{"the command ended before it began"};
  go_.reset();
  // The child's write end closes at exec. The parent's copy is gone since fork_held returned.
  int error = 0;
  if (::read(failure_.get(), &error, sizeof error) == sizeof error)
    return Error{std::strerror(error)};
  return Unit{};
}

std::optional<int> ObservedCommand::ended() {
  if (code_) return code_;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return code_;
}

}  // namespace llmtap
