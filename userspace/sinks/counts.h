// SPDX-License-Identifier: Apache-2.0
//
// What became of the calls that a sink was given. Read by polling; all numbers count from the start
// of the process unless they say "now".
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace llmtap {

struct SpoolCounts {
  std::uint64_t records = 0;    // waiting now
  std::uint64_t bytes = 0;      // now
  std::uint64_t dropped = 0;    // oldest ones, for lack of room
  std::uint64_t in_memory = 0;  // of `records`: the disk refused them

  bool operator==(const SpoolCounts&) const = default;
};

struct DeliveryCounts {
  std::uint64_t delivered = 0;  // records
  std::uint64_t rejected = 0;   // refused for good, dropped
  std::uint64_t requests = 0;
  std::uint64_t retries = 0;
  SpoolCounts spool;

  bool operator==(const DeliveryCounts&) const = default;
};

struct StoreCounts {
  std::uint64_t stored = 0;  // calls
  std::uint64_t failed = 0;  // calls that could not be kept
  std::uint64_t bytes = 0;   // on disk, now

  bool operator==(const StoreCounts&) const = default;
};

struct SinkCounts {
  std::string name;
  std::uint64_t accepted = 0;
  std::uint64_t dropped = 0;   // the queue was full, or the writer failed
  std::uint64_t withheld = 0;  // sampled out, not this destination's, or nothing that it may see
  std::size_t queued = 0;      // now
  std::size_t capacity = 0;    // of the queue
  // Of sinks that have such a thing.
  std::optional<DeliveryCounts> delivery;
  std::optional<StoreCounts> store;

  bool operator==(const SinkCounts&) const = default;
};

// Adds what `former` counted from the start of the process; what is "now" stays.
inline void add_totals(SinkCounts& sum, const SinkCounts& former) {
  sum.withheld += former.withheld;
  if (former.delivery) {
    if (!sum.delivery) sum.delivery.emplace();
    sum.delivery->delivered += former.delivery->delivered;
    sum.delivery->rejected += former.delivery->rejected;
    sum.delivery->requests += former.delivery->requests;
    sum.delivery->retries += former.delivery->retries;
    sum.delivery->spool.dropped += former.delivery->spool.dropped;
  }
  if (former.store) {
    if (!sum.store) sum.store.emplace();
    sum.store->stored += former.store->stored;
    sum.store->failed += former.store->failed;
  }
}

}  // namespace llmtap
