// SPDX-License-Identifier: Apache-2.0
//
// Reads a BPF ring buffer (BPF_MAP_TYPE_RINGBUF, kernel/bpf/ringbuf.c). libbpf's own reader maps
// all of the data, twice, which counts as this process's memory, and tells the kernel about every
// record, which takes the producers' cache line from them each time. This one maps the part that is
// being read. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

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
  // A record lives until its callback returns. Errors: no memory for a mapping.
  Status consume(const std::function<void(const char* record, std::size_t size)>& on_record);
  // Bytes that wait now.
  std::size_t waiting() const;

 private:
  RingReader(int map_fd, std::uint32_t bytes);
  char* data(std::uint64_t position);  // null: cannot be mapped
  void unmap_window();

  const int map_fd_;
  const std::size_t bytes_;
  const std::size_t window_;  // bytes of data that are mapped at a time, and
  const std::size_t beyond_;  // so many behind them: a record that begins inside ends there
  void* consumer_ = nullptr;  // a page: where we are
  void* producer_ = nullptr;  // a page: where the kernel is
  void* mapped_ = nullptr;
  std::size_t mapped_at_ = 0;  // in the ring
};

}  // namespace llmtap
