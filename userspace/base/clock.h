// SPDX-License-Identifier: Apache-2.0
//
// The two clocks that we use, in nanoseconds, and the translation between them.
#pragma once

#include <cstdint>
#include <ctime>

namespace llmtap {

inline std::uint64_t clock_ns(clockid_t clock) {
  timespec ts{};
  clock_gettime(clock, &ts);
  return static_cast<std::uint64_t>(ts.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(ts.tv_nsec);
}
inline std::uint64_t monotonic_ns() { return clock_ns(CLOCK_MONOTONIC); }
inline std::uint64_t unix_ns() { return clock_ns(CLOCK_REALTIME); }

// CLOCK_MONOTONIC (the kernel's event times) → Unix time. Both clocks are slewed alike, so the
// distance stands still until somebody sets the time or the machine sleeps; only such jumps are
// followed, so that times within one call stay comparable.
class UnixTime {
 public:
  UnixTime() { follow(); }

  void follow() {
    constexpr std::uint64_t kJump = 10'000'000;
    const std::uint64_t distance = unix_ns() - monotonic_ns();
    if (distance - distance_ + kJump > 2 * kJump) distance_ = distance;
  }
  std::uint64_t from_monotonic(std::uint64_t ns) const { return ns + distance_; }

 private:
  std::uint64_t distance_ = 0;
};

}  // namespace llmtap
