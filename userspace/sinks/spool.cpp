// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/spool.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "userspace/base/fd.h"
#include "userspace/base/log.h"
#include "userspace/sinks/spool_segment.h"

namespace llmtap {
namespace fs = std::filesystem;

struct Spool::State {
  mutable std::mutex mutex;
  std::string directory;  // empty: memory only
  std::uint64_t max_bytes = 0;
  Fd lock;  // one daemon per spool
  Fd cursor;
  std::deque<SpoolSegment> segments;  // the first is read, the last is written
  std::uint64_t next_number = 1;
  std::deque<std::string> memory;  // newer than every segment
  std::size_t memory_bytes = 0;
  std::uint64_t dropped = 0;
  std::uint64_t on_way = 0;     // records of the last peek that were not popped yet
  std::uint64_t overtaken = 0;  // the first of them: dropped meanwhile, and not counted yet
  bool disk_failed = false;     // said so once

  void append(std::string record);
  bool append_to_disk(std::string_view record);
  void append_to_memory(std::string record);
  void enforce_cap(std::size_t incoming);
  void drop_first_segment();
  void count_dropped(std::uint64_t oldest);
  bool read_batch(std::size_t most, std::size_t bytes, std::vector<std::string>& records);
  void pop_one();
  void save_cursor();
  std::uint64_t disk_bytes() const;
  std::uint64_t unread_on_disk() const;
};

Spool::Spool(std::unique_ptr<State> state) : state_(std::move(state)) {}
Spool::~Spool() {
  // What was taken need not lie around until the next start.
  for (auto& segment : state_->segments) {
    if (segment.unread() == 0) segment.remove();
  }
}

Result<std::unique_ptr<Spool>> Spool::open(const std::string& directory, std::uint64_t max_bytes) {
  auto state = std::make_unique<State>();
  state->max_bytes = std::max<std::uint64_t>(max_bytes, kSegmentBytes);
  if (!directory.empty()) {
    std::error_code error;
    fs::create_directories(directory, error);
    if (!error) fs::permissions(directory, fs::perms::owner_all, error);
    if (error) return Error{directory + ": " + error.message()};
    const auto at = [&directory](const char* name) { return directory + '/' + name; };
    state->lock = Fd(::open(at("lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!state->lock) return Error{at("lock") + ": " + std::strerror(errno)};
    if (::flock(state->lock.get(), LOCK_EX | LOCK_NB) != 0) {
      return Error{directory + ": in use by another llmtap"};
    }
    state->cursor = Fd(::open(at("cursor").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!state->cursor) return Error{at("cursor") + ": " + std::strerror(errno)};
    state->directory = directory;
    state->segments = load_segments(directory, read_cursor(state->cursor.get()));
    if (!state->segments.empty()) state->next_number = state->segments.back().number() + 1;
    // A cursor may outlive its segment: numbers are never used again.
    state->next_number = std::max(state->next_number, read_cursor(state->cursor.get()).segment + 1);
  }
  return std::unique_ptr<Spool>(new Spool(std::move(state)));
}

void Spool::append(std::string record) {
  const std::lock_guard lock(state_->mutex);
  if (record.empty() || record.size() > kRecordBytes) {
    ++state_->dropped;
    return;
  }
  state_->append(std::move(record));
}

void Spool::State::append(std::string record) {
  enforce_cap(record.size());
  // Back to disk as soon as it takes records again: memory is always newer than disk, and records
  // leave at the head or never enter, so that a batch on its way stays the head of the queue.
  while (!memory.empty() && !directory.empty() && append_to_disk(memory.front())) {
    memory_bytes -= memory.front().size();
    memory.pop_front();
  }
  if (!memory.empty() || !append_to_disk(record)) append_to_memory(std::move(record));
}

bool Spool::State::append_to_disk(std::string_view record) {
  if (directory.empty()) return false;
  if (segments.empty() || segments.back().size() >= kSegmentBytes || segments.back().sealed()) {
    auto fresh = SpoolSegment::create(directory, next_number);
    if (!fresh) {
      if (!std::exchange(disk_failed, true)) log_error("spool: " + fresh.error().message);
      return false;
    }
    ++next_number;
    segments.push_back(std::move(*fresh));
  }
  if (!segments.back().append(record)) {
    if (!std::exchange(disk_failed, true)) {
      log_error("spool: " + directory + ": " + std::strerror(errno) +
                "; keeping records in memory");
    }
    return false;
  }
  disk_failed = false;
  return true;
}

void Spool::State::append_to_memory(std::string record) {
  const std::size_t most = directory.empty() ? static_cast<std::size_t>(max_bytes) : kMemoryBytes;
  const auto full = [&] { return memory_bytes + record.size() > std::min(most, kMemoryBytes); };
  while (!memory.empty() && full() && unread_on_disk() == 0) {
    memory_bytes -= memory.front().size();
    memory.pop_front();
    count_dropped(1);
  }
  if (full()) {
    ++dropped;
    return;
  }
  memory_bytes += record.size();
  memory.push_back(std::move(record));
}

void Spool::State::enforce_cap(std::size_t incoming) {
  while (segments.size() > 1 && disk_bytes() + incoming > max_bytes) drop_first_segment();
}

void Spool::State::drop_first_segment() {
  count_dropped(segments.front().unread());
  segments.front().remove();
  segments.pop_front();
}

// Whether the destination took those that are on their way is not known yet, and a count of losses
// never goes down.
void Spool::State::count_dropped(std::uint64_t oldest) {
  const auto unknown = std::min(oldest, on_way - overtaken);
  overtaken += unknown;
  dropped += oldest - unknown;
}

std::uint64_t Spool::State::disk_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& segment : segments) bytes += segment.size();
  return bytes;
}

std::uint64_t Spool::State::unread_on_disk() const {
  std::uint64_t records = 0;
  for (const auto& segment : segments) records += segment.unread();
  return records;
}

std::vector<std::string> Spool::peek(std::size_t most, std::size_t bytes) {
  const std::lock_guard lock(state_->mutex);
  state_->dropped += std::exchange(state_->overtaken, 0);
  std::vector<std::string> records;
  while (!state_->read_batch(most, bytes, records)) {
    state_->pop_one();
    ++state_->dropped;
  }
  state_->on_way = records.size();
  return records;
}

// False: the first record cannot be read.
bool Spool::State::read_batch(std::size_t most, std::size_t bytes,
                              std::vector<std::string>& records) {
  std::size_t total = 0;
  bool damaged = false;
  const auto take = [&](std::string&& record) {
    damaged = record.empty();
    if (damaged || (!records.empty() && total + record.size() > bytes)) return false;
    total += record.size();
    records.push_back(std::move(record));
    return records.size() < most;
  };
  for (auto& segment : segments) {
    if (!segment.read_from_cursor(take)) return !records.empty() || !damaged;
  }
  for (const auto& record : memory) {
    if (!take(std::string(record))) break;
  }
  return true;
}

void Spool::pop(std::size_t count) {
  const std::lock_guard lock(state_->mutex);
  // Dropping took the oldest, which are the first of the batch: they arrived after all.
  const auto gone = std::min<std::uint64_t>(count, state_->overtaken);
  state_->overtaken -= gone;
  state_->on_way -= std::min<std::uint64_t>(count, state_->on_way);
  for (std::size_t i = static_cast<std::size_t>(gone); i < count; ++i) state_->pop_one();
  state_->save_cursor();
}

void Spool::State::pop_one() {
  while (!segments.empty()) {
    auto& first = segments.front();
    if (first.unread() > 0) {
      first.skip_one();
      // The last segment stays for further appends unless it is full.
      if (first.unread() == 0 && (segments.size() > 1 || first.size() >= kSegmentBytes)) {
        first.remove();
        segments.pop_front();
      }
      return;
    }
    if (segments.size() == 1) break;
    first.remove();
    segments.pop_front();
  }
  if (memory.empty()) return;
  memory_bytes -= memory.front().size();
  memory.pop_front();
}

void Spool::State::save_cursor() {
  if (directory.empty()) return;
  SpoolCursor at;
  if (segments.empty()) {
    at.segment = next_number - 1;
    at.offset = ~std::uint64_t{0};
  } else {
    at.segment = segments.front().number();
    at.offset = segments.front().cursor();
  }
  write_cursor(cursor.get(), at);
}

Spool::Counts Spool::counts() const {
  const std::lock_guard lock(state_->mutex);
  Counts counts;
  for (const auto& segment : state_->segments) {
    counts.records += segment.unread();
    counts.bytes += segment.size() - segment.cursor();
  }
  counts.records += state_->memory.size();
  counts.bytes += state_->memory_bytes;
  counts.in_memory = state_->memory.size();
  counts.dropped = state_->dropped;
  return counts;
}

}  // namespace llmtap
