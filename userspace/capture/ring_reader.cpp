// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/ring_reader.h"

#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>

namespace llmtap {
namespace {

constexpr std::size_t kRelease = 64U << 10;  // so much is given back at once

std::size_t page() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

template <class T>
std::atomic_ref<T> shared(void* at) {
  return std::atomic_ref<T>(*static_cast<T*>(at));
}

}  // namespace

Result<std::unique_ptr<RingReader>> RingReader::open(int map_fd, std::uint32_t bytes) {
  std::unique_ptr<RingReader> reader(new RingReader(map_fd, bytes));
  void* const consumer = mmap(nullptr, page(), PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
  if (consumer != MAP_FAILED) reader->consumer_ = consumer;
  void* const producer = mmap(nullptr, page() + bytes, PROT_READ, MAP_SHARED, map_fd,
                              static_cast<off_t>(page()));
  if (producer != MAP_FAILED) reader->producer_ = producer;
  if (reader->consumer_ == nullptr || reader->producer_ == nullptr)
    return Error{std::string("cannot map the ring buffer: ") + std::strerror(errno)};
  return reader;
}

RingReader::~RingReader() {
  if (consumer_ != nullptr) munmap(consumer_, page());
  if (producer_ != nullptr) munmap(producer_, page() + bytes_);
}

const char* RingReader::whole(std::uint64_t position, std::size_t size) {
  const char* const data = static_cast<const char*>(producer_) + page();
  const std::size_t begin = position & (bytes_ - 1);
  if (begin + size <= bytes_) return data + begin;
  const std::size_t first = bytes_ - begin;
  joined_.assign(data + begin, data + bytes_);
  joined_.insert(joined_.end(), data, data + (size - first));
  return joined_.data();
}

void RingReader::consume(const std::function<void(const char*, std::size_t)>& on_record) {
  auto consumed = shared<std::uint64_t>(consumer_);
  char* const data = static_cast<char*>(producer_) + page();
  std::uint64_t at = consumed.load(std::memory_order_relaxed), released = at;
  // What comes while we read is read as well, but not for ever.
  const std::uint64_t most = at + bytes_;
  while (at < most && at < shared<std::uint64_t>(producer_).load(std::memory_order_acquire)) {
    // {length and flags, page offset}: 8 bytes, aligned, so never cut by the ring's end.
    const std::uint32_t head =
        shared<std::uint32_t>(data + (at & (bytes_ - 1))).load(std::memory_order_acquire);
    if (head & BPF_RINGBUF_BUSY_BIT) break;  // still being written: those behind it wait, too
    const std::size_t size = head & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
    if (!(head & BPF_RINGBUF_DISCARD_BIT)) on_record(whole(at + BPF_RINGBUF_HDR_SZ, size), size);
    at += (size + BPF_RINGBUF_HDR_SZ + 7) & ~std::size_t{7};
    if (at - released >= kRelease) {
      consumed.store(at, std::memory_order_release);
      released = at;
    }
  }
  consumed.store(at, std::memory_order_release);
}

std::size_t RingReader::waiting() const {
  return shared<std::uint64_t>(producer_).load(std::memory_order_acquire) -
         shared<std::uint64_t>(consumer_).load(std::memory_order_relaxed);
}

}  // namespace llmtap
