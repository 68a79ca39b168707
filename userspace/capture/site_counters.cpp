// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/site_counters.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

namespace llmtap {
namespace {

void add(tls_site_count& sum, const tls_site_count& one) {
  sum.hits += one.hits;
  sum.ignored += one.ignored;
  sum.moved += one.moved;
  sum.bytes += one.bytes;
  sum.refused += one.refused;
}

}  // namespace

SiteCounters::SiteCounters(int map_fd)
    : map_fd_(map_fd),
      cpus_(static_cast<std::size_t>(libbpf_num_possible_cpus())),
      used_(TLS_SITES_MAX) {
  used_[0] = true;
  for (std::uint32_t i = TLS_SITES_MAX - 1; i > 0; --i) free_.push_back(i);
}

std::uint32_t SiteCounters::take() {
  std::uint32_t index = 0;
  {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return 0;
    index = free_.back();
    free_.pop_back();
    used_[index] = true;
  }
  return index;
}

void SiteCounters::give_back(std::uint32_t index) {
  if (index == 0) return;
  const std::lock_guard lock(mutex_);
  add(gone_, read(index));
  const std::vector<tls_site_count> zero(cpus_);
  bpf_map_update_elem(map_fd_, &index, zero.data(), BPF_ANY);
  free_.push_back(index);
  used_[index] = false;
}

tls_site_count SiteCounters::read(std::uint32_t index) const {
  std::vector<tls_site_count> per_cpu(cpus_);
  tls_site_count sum{};
  if (bpf_map_lookup_elem(map_fd_, &index, per_cpu.data()) != 0) return sum;
  for (const auto& one : per_cpu) add(sum, one);
  return sum;
}

tls_site_count SiteCounters::total() const {
  const std::lock_guard lock(mutex_);
  tls_site_count sum = gone_;
  for (std::uint32_t i = 0; i < used_.size(); ++i)
    if (used_[i]) add(sum, read(i));
  return sum;
}

}  // namespace llmtap
