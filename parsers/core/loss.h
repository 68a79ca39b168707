// SPDX-License-Identifier: Apache-2.0
//
// Nothing is lost silently: every drop, gap, truncation and parse failure becomes a Loss with a
// stage, a reason and a byte count, and ends up in one ledger that is exported.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace llmtap {

enum class LossReason : std::uint8_t {
  // kernel → chunk
  kRingFull,         // no room in the ring buffer
  kUserFault,        // the target's memory could not be read
  kTooLong,          // one call carried more than the kernel copies
  kStateFull,        // a kernel map had no room for the call or the connection
  kUnmatchedReturn,  // a return without its entry (attached in the middle of a call)
  kWrongSite,        // a probe saw a result that makes no sense: not the function we took it for
  kNoBuffer,         // a socket's bytes moved without a buffer to read: sendfile, splice, io_uring
  // chunk → ordered bytes
  kGap,           // bytes missing between two chunks
  kReorderLimit,  // more out-of-order bytes than the stream may hold
  // ordered bytes → exchange
  kNotHttp,          // the connection speaks no protocol that we decode
  kMalformedHttp,    // framing violated
  kHeaderLimit,      // head larger than its limit
  kUnknownContext,   // late attach: needs state that we never saw
  // exchange → body events
  kBodyLimit,        // body larger than its limit
  kBadCoding,        // Content-Encoding broken or a decompression bomb
  kMalformedBody,    // event framing violated
  // body events → record
  kMalformedJson,
  kContentLimit,     // a record's content was cut
  kConnectionLimit,  // evicted: the global budget was reached
  kIdle,             // evicted: nothing happened for too long
  // record → destination
  kQueueFull,
  kRejected,    // the destination refused it for good
  kSpoolFull,
  kStoreFailed,
  kCount,
};

inline constexpr std::size_t kLossReasons = static_cast<std::size_t>(LossReason::kCount);

constexpr std::string_view name(LossReason reason) {
  constexpr std::array<std::string_view, kLossReasons> kNames = {
      "ring_full",      "user_fault",      "too_long",        "state_full",
      "unmatched_return", "wrong_site", "no_buffer", "gap",           "reorder_limit",   "not_http",
      "malformed_http", "header_limit",    "unknown_context", "body_limit",
      "bad_coding",     "malformed_body",  "malformed_json",  "content_limit",
      "connection_limit", "idle",          "queue_full",      "rejected",
      "spool_full",     "store_failed"};
  return kNames[static_cast<std::size_t>(reason)];
}

// Bytes of all connections' streams. fed == parsed + skipped + repeated + what is held for a hole.
struct StreamCounts {
  std::uint64_t fed = 0;       // came in chunks
  std::uint64_t parsed = 0;    // in order, given to a decoder
  std::uint64_t skipped = 0;   // of connections that are judged or closed
  std::uint64_t repeated = 0;  // came twice
  std::uint64_t gap = 0;       // came never; not part of `fed`
};

// Counts per reason. Plain values: the owner decides about threads.
class LossLedger {
 public:
  void add(LossReason reason, std::uint64_t bytes, std::uint64_t times = 1) {
    auto& entry = entries_[static_cast<std::size_t>(reason)];
    entry.times += times;
    entry.bytes += bytes;
  }
  std::uint64_t times(LossReason reason) const { return entries_[static_cast<std::size_t>(reason)].times; }
  std::uint64_t bytes(LossReason reason) const { return entries_[static_cast<std::size_t>(reason)].bytes; }

 private:
  struct Entry {
    std::uint64_t times = 0;
    std::uint64_t bytes = 0;
  };
  std::array<Entry, kLossReasons> entries_{};
};

}  // namespace llmtap
