// SPDX-License-Identifier: Apache-2.0
//
// The backlog of one destination on disk: a queue of byte strings that survives kill -9 and, but
// for the last moments, power loss. What an exporter has to send goes through here first and leaves
// when the destination has taken it.
//
// Files in the directory (0700), all 0600:
//   NNNNNNNNNNNNNNNN.spool   segments, oldest first; records of {u32 length, u32 checksum, bytes}
//   cursor                   {u64 segment, u64 offset, u64 checksum}: what is behind it was taken
// A record that was cut by a crash ends its segment. Above the size cap the oldest segment goes and
// is counted. If the disk refuses, records stay in memory, up to kMemoryBytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/core/result.h"
#include "userspace/sinks/counts.h"

namespace llmtap {

// Thread safe: one thread appends while another peeks and pops.
class Spool {
 public:
  static constexpr std::size_t kMemoryBytes = std::size_t{32} << 20;
  static constexpr std::size_t kSegmentBytes = std::size_t{4} << 20;
  static constexpr std::size_t kRecordBytes = std::size_t{16} << 20;  // more is taken for damage

  // `directory` empty: memory only. Reads what an earlier process left.
  static Result<std::unique_ptr<Spool>> open(const std::string& directory, std::uint64_t max_bytes);
  ~Spool();  // what waits stays on disk

  // What no start would read again, an empty record or a longer one, is refused and counted.
  void append(std::string record);

  // The oldest records, at most `most` and `bytes` together, but at least one if there is any.
  // What the disk does not give back is left out and counted.
  std::vector<std::string> peek(std::size_t most, std::size_t bytes);
  // The first `count` records of the last peek are done with. What was dropped of them meanwhile is
  // counted at the next peek, unless it got through.
  void pop(std::size_t count);

  using Counts = SpoolCounts;
  Counts counts() const;

 private:
  struct State;
  explicit Spool(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace llmtap
