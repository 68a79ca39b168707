// SPDX-License-Identifier: Apache-2.0
//
// Placing a uprobe waits for an RCU grace period (the kernel's dup_mmap_sem), 10 to 30 ms on a busy
// machine: longer than a fresh Go program needs to its first call. /sys/kernel/rcu_expedited makes
// that 0.2 ms. It is the whole machine's, so it is set for the length of one attach only, and put
// back to what it was. Where it cannot be written nothing changes. Thread safe.
//
// A marker file exists while it is set. A daemon that is killed in that moment leaves both behind:
// the next one to start puts the knob back (so does the systemd unit when the daemon stops).
#pragma once

#include <mutex>
#include <string>

namespace llmtap {

class GracePeriods {
 public:
  // An empty path: never hurry. Where the marker's directory cannot be made: likewise.
  explicit GracePeriods(std::string knob, std::string marker = kMarker);
  static constexpr const char* kMarker = "/run/llmtap/rcu_expedited";

  // Grace periods are short while one of these lives.
  class Hurry {
   public:
    explicit Hurry(GracePeriods& owner) : owner_(owner) { owner_.enter(); }
    Hurry(const Hurry&) = delete;
    Hurry& operator=(const Hurry&) = delete;
    ~Hurry() { owner_.leave(); }

   private:
    GracePeriods& owner_;
  };

 private:
  void enter();
  void leave();
  bool write(char value) const;

  const std::string knob_;
  const std::string marker_;
  std::mutex mutex_;
  // Guarded by mutex_:
  int inside_ = 0;
  bool changed_ = false;
};

}  // namespace llmtap
