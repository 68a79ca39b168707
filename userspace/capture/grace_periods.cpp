// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/grace_periods.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "userspace/base/fd.h"

namespace llmtap {
namespace {

bool create(const std::string& path) {
  const std::string directory = path.substr(0, path.rfind('/'));
  if (::mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) return false;
  return static_cast<bool>(Fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644)));
}

}  // namespace

GracePeriods::GracePeriods(std::string knob, std::string marker)
    : knob_(std::move(knob)), marker_(std::move(marker)) {
  if (knob_.empty() || ::access(marker_.c_str(), F_OK) != 0) return;
  if (write('0')) ::unlink(marker_.c_str());
}

bool GracePeriods::write(char value) const {
  const Fd fd(::open(knob_.c_str(), O_WRONLY | O_CLOEXEC));
  return fd && ::write(fd.get(), &value, 1) == 1;
}

void GracePeriods::enter() {
  const std::lock_guard lock(mutex_);
  if (inside_++ != 0 || knob_.empty()) return;
  char value = 0;
  const Fd fd(::open(knob_.c_str(), O_RDONLY | O_CLOEXEC));
  changed_ =
      fd && ::read(fd.get(), &value, 1) == 1 && value == '0' && create(marker_) && write('1');
}

void GracePeriods::leave() {
  const std::lock_guard lock(mutex_);
  if (--inside_ != 0 || !changed_) return;
  if (write('0')) ::unlink(marker_.c_str());
  changed_ = false;
}

}  // namespace llmtap
