// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/spool_segment.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <utility>

#include "userspace/base/log.h"
#include "userspace/sinks/spool.h"

namespace llmtap {
namespace {

constexpr std::string_view kSuffix = ".spool";

struct RecordHead {
  std::uint32_t length = 0;
  std::uint32_t checksum = 0;
};
static_assert(sizeof(RecordHead) == 8);

std::uint32_t checksum(std::string_view bytes) {
  return static_cast<std::uint32_t>(
      ::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

bool read_at(int fd, void* out, std::size_t size, std::uint64_t offset) {
  auto* bytes = static_cast<char*>(out);
  while (size > 0) {
    const auto got = ::pread(fd, bytes, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    bytes += got;
    size -= static_cast<std::size_t>(got);
    offset += static_cast<std::uint64_t>(got);
  }
  return true;
}

}  // namespace

SpoolCursor read_cursor(int fd) {
  struct {
    SpoolCursor cursor;
    std::uint64_t checksum = 0;
  } stored;
  if (!read_at(fd, &stored, sizeof stored, 0)) return {};
  const std::string_view bytes(reinterpret_cast<const char*>(&stored.cursor), sizeof stored.cursor);
  return stored.checksum == checksum(bytes) ? stored.cursor : SpoolCursor{};
}

void write_cursor(int fd, const SpoolCursor& cursor) {
  struct {
    SpoolCursor cursor;
    std::uint64_t checksum = 0;
  } stored{cursor, checksum({reinterpret_cast<const char*>(&cursor), sizeof cursor})};
  // A lost cursor means sending again, with the same ids: no reason to stop.
  [[maybe_unused]] const auto written = ::pwrite(fd, &stored, sizeof stored, 0);
}

Result<SpoolSegment> SpoolSegment::create(const std::string& directory, std::uint64_t number) {
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "/%016llx", static_cast<unsigned long long>(number));
  std::string path = directory + name.data() + std::string(kSuffix);
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return Error{path + ": " + std::strerror(errno)};
  return SpoolSegment(std::move(fd), std::move(path), number);
}

Result<SpoolSegment> SpoolSegment::open(const std::string& path, std::uint64_t number,
                                        std::uint64_t offset) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) return Error{path + ": " + std::strerror(errno)};
  struct stat stat{};
  if (::fstat(fd.get(), &stat) != 0) return Error{path + ": " + std::strerror(errno)};
  SpoolSegment segment(std::move(fd), path, number);
  const auto bytes = static_cast<std::uint64_t>(stat.st_size);
  segment.cursor_ = std::min(offset, bytes);
  segment.scan(bytes);
  return segment;
}

void SpoolSegment::scan(std::uint64_t file_bytes) {
  size_ = cursor_;
  std::string record;
  RecordHead head;
  while (size_ + sizeof head <= file_bytes && read_at(fd_.get(), &head, sizeof head, size_)) {
    if (head.length == 0 || head.length > Spool::kRecordBytes ||
        size_ + sizeof head + head.length > file_bytes)
      break;
    record.resize(head.length);
    if (!read_at(fd_.get(), record.data(), record.size(), size_ + sizeof head)) break;
    if (checksum(record) != head.checksum) break;
    lengths_.push_back(head.length);
    size_ += sizeof head + head.length;
  }
  damaged_ = file_bytes - size_;
}

bool SpoolSegment::append(std::string_view record) {
  RecordHead head{static_cast<std::uint32_t>(record.size()), checksum(record)};
  std::array<iovec, 2> parts = {iovec{&head, sizeof head},
                                iovec{const_cast<char*>(record.data()), record.size()}};
  const auto whole = sizeof head + record.size();
  const auto written = ::pwritev(fd_.get(), parts.data(), parts.size(), static_cast<off_t>(size_));
  if (written != static_cast<ssize_t>(whole)) {
    const int error = written < 0 ? errno : ENOSPC;
    // Half a record is no record.
    [[maybe_unused]] const int cut = ::ftruncate(fd_.get(), static_cast<off_t>(size_));
    errno = error;
    return false;
  }
  size_ += whole;
  lengths_.push_back(head.length);
  return true;
}

bool SpoolSegment::read_from_cursor(const std::function<bool(std::string&&)>& take) {
  std::uint64_t offset = cursor_;
  for (const auto length : lengths_) {
    std::string record(length, '\0');
    if (!read_at(fd_.get(), record.data(), length, offset + sizeof(RecordHead))) record.clear();
    if (!take(std::move(record))) return false;
    offset += sizeof(RecordHead) + length;
  }
  return true;
}

void SpoolSegment::skip_one() {
  cursor_ += sizeof(RecordHead) + lengths_.front();
  lengths_.pop_front();
}

void SpoolSegment::remove() { ::unlink(path_.c_str()); }

std::deque<SpoolSegment> load_segments(const std::string& directory, const SpoolCursor& cursor) {
  std::map<std::uint64_t, std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename();
    std::uint64_t number = 0;
    const auto [end, bad] = std::from_chars(name.data(), name.data() + name.size(), number, 16);
    if (bad == std::errc{} && std::string_view(end) == kSuffix) files[number] = entry.path();
  }
  std::deque<SpoolSegment> segments;
  for (const auto& [number, path] : files) {
    if (number < cursor.segment) {
      ::unlink(path.c_str());
      continue;
    }
    auto segment = SpoolSegment::open(path, number, number == cursor.segment ? cursor.offset : 0);
    if (segment && segment->damaged() > 0) {
      log_warning("spool: " + path + ": " + std::to_string(segment->damaged()) +
                  " bytes at its end are no records and left out");
    }
    if (!segment) {
      log_warning("spool: " + segment.error().message);
    } else if (segment->unread() == 0) {
      segment->remove();
    } else {
      segments.push_back(std::move(*segment));
    }
  }
  return segments;
}

}  // namespace llmtap
