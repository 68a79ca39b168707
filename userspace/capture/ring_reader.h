// SPDX-License-Identifier: Apache-2.0
//
// Reads a BPF ring buffer (BPF_MAP_TYPE_RINGBUF, kernel/bpf/ringbuf.c). libbpf's own reader maps
// the data twice, which counts twice as this process's memory, and tells the kernel about every
// record, which takes the producers' cache line from them each time. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "parsers/core/result.h"

namespace llmtap {

class RingReader {
 public:
  // `map_fd` is borrowed and must outlive this; `bytes` is the map's size.
  static Result<std::unique_ptr<RingReader>> open(int map_fd, std::uint32_t bytes);
  ~RingReader();
  RingReader(const RingReader&) = delete;
  RingReader& operator=(const RingReader&) = delete;

  // For poll(2): readable while something is there.
  int fd() const { return map_fd_; }
  // A record lives until its callback returns.
  void consume(const std::function<void(const char* record, std::size_t size)>& on_record);
  // Bytes that wait now.
  std::size_t waiting() const;

 private:
  RingReader(int map_fd, std::uint32_t bytes) : map_fd_(map_fd), bytes_(bytes) {}
  const char* whole(std::uint64_t position, std::size_t size);

  const int map_fd_;
  const std::size_t bytes_;
  void* consumer_ = nullptr;  // a page: where we are
  void* producer_ = nullptr;  // a page: where the kernel is; then the data
  std::vector<char> joined_;  // of a record that goes on at the ring's start
};

}  // namespace llmtap
