// SPDX-License-Identifier: Apache-2.0
//
// Indexes into the kernel's per-site counters, handed out to attached probes, and their sums.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "bpf/tls_event.h"

namespace llmtap {

// Thread safe. The map's descriptor is borrowed and must outlive this.
class SiteCounters {
 public:
  explicit SiteCounters(int map_fd);

  // A zeroed counter, or 0, which is shared, when all are taken.
  std::uint32_t take();
  void give_back(std::uint32_t index);
  tls_site_count read(std::uint32_t index) const;
  // Of all sites that there ever were.
  tls_site_count total() const;

 private:
  const int map_fd_;
  const std::size_t cpus_;
  mutable std::mutex mutex_;
  // Guarded by mutex_:
  std::vector<std::uint32_t> free_;
  std::vector<bool> used_;
  tls_site_count gone_{};  // of counters that were given back
};

}  // namespace llmtap
