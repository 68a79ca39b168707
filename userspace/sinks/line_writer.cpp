// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/line_writer.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "userspace/base/log.h"
#include "userspace/base/terminal.h"
#include "userspace/sinks/terminal_table.h"

namespace llmtap {
namespace {

class LineWriter final : public RecordWriter {
 public:
  LineWriter(std::string name, int fd, bool owned, FormatLine format)
      : name_(std::move(name)), fd_(fd), owned_(owned), format_(std::move(format)) {}
  ~LineWriter() override {
    if (owned_) ::close(fd_);
  }

  std::string_view name() const override { return name_; }

  void write(std::span<const SharedCall> calls) override {
    std::string lines = torn_ ? "\n" : "";
    for (const auto& call : calls) {
      if (const auto line = format_(*call)) {
        lines += *line;
        lines += '\n';
      }
    }
    write_all(lines);
  }

 private:
  void write_all(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto written = ::write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0 && errno == EAGAIN) {  // a terminal or pipe that somebody made non-blocking
        pollfd room{fd_, POLLOUT, 0};
        ::poll(&room, 1, -1);
        continue;
      }
      if (written <= 0) {
        if (!failed_) log_error(name_ + ": " + std::strerror(errno) + "; lines are lost");
        failed_ = true;
        return;
      }
      failed_ = false;
      torn_ = bytes[static_cast<std::size_t>(written) - 1] != '\n';
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
  }

  const std::string name_;
  const int fd_;
  const bool owned_;
  const FormatLine format_;
  bool failed_ = false;  // said so once
  bool torn_ = false;    // the disk took a part of a line: the next one is none of it
};

}  // namespace

Result<std::unique_ptr<RecordWriter>> open_line_writer(std::string name, const std::string& path,
                                                       FormatLine format) {
  if (path == "-") {
    return std::unique_ptr<RecordWriter>(
        std::make_unique<LineWriter>(std::move(name), STDOUT_FILENO, false, std::move(format)));
  }
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return Error{path + ": " + std::strerror(errno)};
  return std::unique_ptr<RecordWriter>(
      std::make_unique<LineWriter>(std::move(name), fd, true, std::move(format)));
}

std::unique_ptr<RecordWriter> make_terminal_writer() {
  auto format = [first = true](const CallRecord& call) mutable -> std::optional<std::string> {
    const Terminal terminal = stdout_terminal();  // again: the window may have changed
    const TableStyle style{.color = terminal.color, .columns = terminal.columns};
    std::string line = table_line(summarize(call), style);
    if (std::exchange(first, false)) line = table_header(style) + '\n' + line;
    return line;
  };
  return std::make_unique<LineWriter>("terminal", STDOUT_FILENO, false, std::move(format));
}

}  // namespace llmtap
