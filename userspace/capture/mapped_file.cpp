// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>
#include <utility>

namespace llmtap {
namespace {

// Ranges in which a SIGBUS is ours. Read in a signal handler, hence atomics of fixed number; a
// mapping that finds no slot works, it only lacks the protection.
struct Range {
  std::atomic<std::uintptr_t> begin{0};
  std::atomic<std::uintptr_t> end{0};
};
constexpr std::size_t kRanges = 64;
std::array<Range, kRanges> ranges;
struct sigaction previous_action;

bool is_ours(std::uintptr_t address) {
  for (const auto& range : ranges)
    if (address >= range.begin.load() && address < range.end.load()) return true;
  return false;
}

void on_bus_error(int signal, siginfo_t* info, void*) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  if (is_ours(address)) {
    void* const at = reinterpret_cast<void*>(address & ~(page - 1));
    if (mmap(at, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED)
      return;
  }
  sigaction(signal, &previous_action, nullptr);  // the access repeats and takes the old way
}

void install_handler() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action = {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGBUS, &action, &previous_action);
  });
}

void add_range(const void* data, std::size_t size) {
  const auto begin = reinterpret_cast<std::uintptr_t>(data);
  for (auto& range : ranges) {
    std::uintptr_t free = 0;
    if (!range.begin.compare_exchange_strong(free, begin)) continue;
    range.end.store(begin + size);
    return;
  }
}

void remove_range(const void* data) {
  for (auto& range : ranges) {
    if (range.begin.load() != reinterpret_cast<std::uintptr_t>(data)) continue;
    range.end.store(0);
    range.begin.store(0);
    return;
  }
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::string& path) {
  // Not blocking: a fifo or a device under a library's name must not hold us.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return Error{path + ": " + std::strerror(errno)};
  struct stat status = {};
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size <= 0) {
    ::close(fd);
    return Error{path + ": not a regular file with content"};
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  // Shared: the kernel writes breakpoints into every private mapping of a file that is probed, also
  // into ours, and the code would be decoded wrongly.
  void* const data = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  const int error = errno;
  ::close(fd);
  if (data == MAP_FAILED) return Error{path + ": cannot map: " + std::strerror(error)};
  install_handler();
  add_range(data, size);
  return MappedFile(static_cast<const std::uint8_t*>(data), size);
}

MappedFile::MappedFile(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this != &other) {
    release();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

MappedFile::~MappedFile() { release(); }

void MappedFile::release() {
  if (data_ == nullptr) return;
  remove_range(data_);
  munmap(const_cast<std::uint8_t*>(data_), size_);
  data_ = nullptr;
  size_ = 0;
}

void MappedFile::forget(std::size_t offset, std::size_t size) const {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t begin = (offset + page - 1) & ~(page - 1);
  if (offset >= size_) return;
  const std::size_t end = std::min(offset + std::min(size, size_ - offset), size_) & ~(page - 1);
  if (begin < end) madvise(const_cast<std::uint8_t*>(data_) + begin, end - begin, MADV_DONTNEED);
}

}  // namespace llmtap
