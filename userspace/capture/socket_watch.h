// SPDX-License-Identifier: Apache-2.0
//
// Decides when the kernel looks at sockets' bytes (bpf/socket.bpf.c): the programs on sends and
// receives are attached while a plaintext socket of interest exists or a TLS connection's socket is
// asked for, and for a while after. Otherwise only TCP's state changes are watched, or nothing.
// A thread of its own: a new connection's first bytes follow within a millisecond.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "parsers/core/result.h"
#include "userspace/base/fd.h"

struct llmtap_bpf;
struct ring_buffer;

namespace llmtap {

struct PlainOptions {
  std::vector<std::uint16_t> ports;          // of either end
  bool find_servers = true;                  // and every port that a known model server listens on
  std::chrono::milliseconds linger{60'000};  // attached for so long after the last use
};

class SocketWatch {
 public:
  // `plain` null: no plaintext, only what require() and want_address() ask for.
  // `skeleton` is loaded and outlives the watch.
  static Result<std::unique_ptr<SocketWatch>> start(llmtap_bpf& skeleton,
                                                    const PlainOptions* plain);
  ~SocketWatch();

  // From now on for good: a library with record keys is hooked. Attached on return.
  Status require();
  // A TLS connection's addresses would be good to know.
  void want_address();
  // The programs on sends and receives are attached.
  bool attached() const { return attached_; }
  std::uint64_t live() const;  // plaintext sockets of interest, listening ones included
  std::uint64_t attached_times() const { return attached_times_; }
  // Attaches nothing any more.
  void stop();

 private:
  explicit SocketWatch(llmtap_bpf& skeleton) : skeleton_(skeleton) {}
  static int on_news(void* self, void* data, std::size_t size);
  void watch();
  void decide();
  bool learn();
  void find_sockets();
  Status attach();
  void detach();
  void wake();

  llmtap_bpf& skeleton_;
  ring_buffer* ring_ = nullptr;
  PlainOptions plain_;
  bool new_ports_ = false;  // found while the ring was read
  Fd wake_;
  std::mutex mutex_;       // attach, detach, and the reasons for them
  bool required_ = false;  // guarded by mutex_
  std::atomic<bool> stop_{false}, attached_{false};
  std::atomic<std::int64_t> wanted_ns_{0};  // when an address was asked for last
  std::atomic<std::uint64_t> attached_times_{0};
  std::chrono::steady_clock::time_point last_use_{};
  std::thread thread_;
};

}  // namespace llmtap
