// SPDX-License-Identifier: Apache-2.0
//
// What capture saw, delivered, left out and lost, since the start: for metrics and the report at
// the end. All counts only grow, except the numbers of processes.
//
// Two identities hold exactly whenever the ring is empty (KernelSource::stop, then poll):
//   bytes == bytes_delivered + bytes_withheld + bytes lost          kernel → chunks
//   fed   == parsed + skipped + repeated (+ held)                   chunks → streams, StreamCounts
// hence issued = parsed + what was left out on request + what was dropped, each by reason. A byte
// that is missing shows in its stream as part of a gap, unless nothing follows it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "parsers/core/loss.h"

namespace llmtap {

struct CaptureCounts {
  // Calls of hooked processes, counted by the kernel.
  std::uint64_t entered = 0;  // entries: a trap each
  std::uint64_t ignored = 0;  // of these: on connections that are not looked at (verdict IGNORE)
  std::uint64_t calls = 0;    // calls seen to move bytes
  std::uint64_t bytes = 0;    // moved by them
  std::uint64_t bytes_withheld = 0;  // not copied, on request (verdict WATCH)
  LossLedger lost;                   // not copied or not delivered, by reason

  // What user space took out of the ring.
  std::uint64_t events = 0;
  std::uint64_t events_refused = 0;   // malformed: would be a bug
  std::uint64_t bytes_delivered = 0;  // payload of chunks
  std::uint64_t ring_peak = 0;        // most bytes that waited in the ring when it was looked at

  // Sends and receives that nothing reads are in none of the above.
  std::size_t left_out = 0;  // processes unhooked because they are busy and no LLM call was seen
  std::size_t silent = 0;    // processes whose sockets send while their probes stand still
  std::uint64_t unseen = 0;  // connections to known LLM hosts by TLS that cannot be read (JSSE)

  std::uint64_t bytes_lost() const {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < kLossReasons; ++i) sum += lost.bytes(static_cast<LossReason>(i));
    return sum;
  }
  // What is on its way from the kernel's counters to ours; 0 when the ring is empty.
  std::int64_t bytes_under_way() const {
    return static_cast<std::int64_t>(bytes - bytes_delivered - bytes_withheld - bytes_lost());
  }
};

}  // namespace llmtap
