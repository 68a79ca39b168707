// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/grace_periods.h"

#include <fcntl.h>
#include <unistd.h>

#include "userspace/base/fd.h"

namespace llmtap {

bool GracePeriods::write(char value) const {
  const Fd fd(::open(knob_.c_str(), O_WRONLY | O_CLOEXEC));
  return fd && ::write(fd.get(), &value, 1) == 1;
}

void GracePeriods::enter() {
  const std::lock_guard lock(mutex_);
  if (inside_++ != 0 || knob_.empty()) return;
  char value = 0;
  const Fd fd(::open(knob_.c_str(), O_RDONLY | O_CLOEXEC));
  changed_ = fd && ::read(fd.get(), &value, 1) == 1 && value == '0' && write('1');
}

void GracePeriods::leave() {
  const std::lock_guard lock(mutex_);
  if (--inside_ != 0 || !changed_) return;
  write('0');
  changed_ = false;
}

}  // namespace llmtap
