// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/ring_reader.h"

#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>

namespace llmtap {
namespace {

constexpr std::size_t kRelease = 64U << 10;  // so much is given back at once
constexpr std::size_t kWindow = 4U << 20;
constexpr std::size_t kLongest = 128U << 10;  // no record is longer

std::size_t page() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

template <class T>
std::atomic_ref<T> shared(void* at) {
  return std::atomic_ref<T>(*static_cast<T*>(at));
}

// Pages of the map: where the consumer is, where the producer is, the data, the data once more.
void* map(int map_fd, std::size_t offset, std::size_t size, int protection) {
  void* const at = mmap(nullptr, size, protection, MAP_SHARED, map_fd, static_cast<off_t>(offset));
  return at == MAP_FAILED ? nullptr : at;
}

Error cannot_map() {
  return Error{std::string("cannot map the ring buffer: ") + std::strerror(errno)};
}

}  // namespace

RingReader::RingReader(int map_fd, std::uint32_t bytes)
    : map_fd_(map_fd),
      bytes_(bytes),
      window_(std::min<std::size_t>(bytes, kWindow)),
      beyond_(std::min<std::size_t>(bytes, kLongest)) {}

Result<std::unique_ptr<RingReader>> RingReader::open(int map_fd, std::uint32_t bytes) {
  std::unique_ptr<RingReader> reader(new RingReader(map_fd, bytes));
  reader->consumer_ = map(map_fd, 0, page(), PROT_READ | PROT_WRITE);
  reader->producer_ = map(map_fd, page(), page(), PROT_READ);
  if (reader->consumer_ == nullptr || reader->producer_ == nullptr || reader->data(0) == nullptr)
    return cannot_map();
  return reader;
}

RingReader::~RingReader() {
  unmap_window();
  if (consumer_ != nullptr) munmap(consumer_, page());
  if (producer_ != nullptr) munmap(producer_, page());
}

void RingReader::unmap_window() {
  if (mapped_ != nullptr) munmap(mapped_, window_ + beyond_);
  mapped_ = nullptr;
}

char* RingReader::data(std::uint64_t position) {
  const std::size_t at = position & (bytes_ - 1);
  if (mapped_ == nullptr || at - mapped_at_ >= window_) {
    unmap_window();
    mapped_at_ = at & ~(window_ - 1);
    mapped_ = map(map_fd_, 2 * page() + mapped_at_, window_ + beyond_, PROT_READ);
    if (mapped_ == nullptr) return nullptr;
  }
  return static_cast<char*>(mapped_) + (at - mapped_at_);
}

Status RingReader::consume(const std::function<void(const char*, std::size_t)>& on_record) {
  auto consumed = shared<std::uint64_t>(consumer_);
  std::uint64_t at = consumed.load(std::memory_order_relaxed), released = at;
  Status status = Unit{};
  // What comes while we read is read as well, but not for ever.
  const std::uint64_t most = at + bytes_;
  while (at < most && at < shared<std::uint64_t>(producer_).load(std::memory_order_acquire)) {
    char* const record = data(at);  // {length and flags, page offset}, then the payload
    if (record == nullptr) {
      status = cannot_map();
      break;
    }
    const std::uint32_t head = shared<std::uint32_t>(record).load(std::memory_order_acquire);
    if (head & BPF_RINGBUF_BUSY_BIT) break;  // still being written: those behind it wait, too
    const std::size_t size = head & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
    if (!(head & BPF_RINGBUF_DISCARD_BIT)) on_record(record + BPF_RINGBUF_HDR_SZ, size);
    at += (size + BPF_RINGBUF_HDR_SZ + 7) & ~std::size_t{7};
    if (at - released >= kRelease) {
      consumed.store(at, std::memory_order_release);
      released = at;
    }
  }
  consumed.store(at, std::memory_order_release);
  return status;
}

std::size_t RingReader::waiting() const {
  return shared<std::uint64_t>(producer_).load(std::memory_order_acquire) -
         shared<std::uint64_t>(consumer_).load(std::memory_order_relaxed);
}

}  // namespace llmtap
