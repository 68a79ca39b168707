// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/perf_records.h"

#include <linux/perf_event.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "userspace/base/clock.h"
#include "userspace/base/fd.h"

namespace llmtap {
namespace {

constexpr std::size_t kRingBytes = std::size_t{128} << 10;  // per CPU: about 800 mappings

Fd open_event(int cpu) {
  perf_event_attr attr = {};
  attr.size = sizeof(attr);
  attr.type = PERF_TYPE_SOFTWARE;
  attr.config = PERF_COUNT_SW_DUMMY;
  attr.mmap = 1;
  attr.mmap2 = 1;
  attr.comm = 1;
  attr.comm_exec = 1;
  attr.task = 1;
  attr.sample_type = PERF_SAMPLE_TIME;
  attr.sample_id_all = 1;
  attr.use_clockid = 1;
  attr.clockid = CLOCK_MONOTONIC;
  attr.watermark = 1;  // wake for every record, not only for samples
  attr.wakeup_watermark = 1;
  return Fd(
      static_cast<int>(syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC)));
}

// Fixed fields in front of a record's name or trailer (perf_event_open(2)).
struct CommFields {
  std::uint32_t pid, tid;
};
struct TaskFields {
  std::uint32_t pid, ppid, tid, ptid;
  std::uint64_t time;
};
struct MapFields {
  std::uint32_t pid, tid;
  std::uint64_t address, length, page_offset;
  std::uint32_t major, minor;
  std::uint64_t inode, generation;
  std::uint32_t protection, flags;
};
struct LostFields {
  std::uint64_t id, lost;
};

template <class T>
std::optional<T> fields(const std::string& body) {
  if (body.size() < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, body.data(), sizeof(T));
  return value;
}

std::optional<ProcessRecord> translate_map(const std::string& body) {
  const auto map = fields<MapFields>(body);
  if (!map || map->inode == 0) return std::nullopt;
  ProcessRecord record;
  record.kind = ProcessRecord::Kind::kMap;
  record.pid = static_cast<pid_t>(map->pid);
  record.file = {map->major, map->minor, map->inode, map->generation};
  record.begin = map->address;
  record.end = map->address + map->length;
  const char* const name = body.data() + sizeof(MapFields);
  record.path.assign(name, strnlen(name, body.size() - sizeof(MapFields)));
  return record;
}

// `body` is the record without its header.
std::optional<ProcessRecord> translate(const perf_event_header& header, const std::string& body) {
  using Kind = ProcessRecord::Kind;
  ProcessRecord record;
  if (header.type == PERF_RECORD_MMAP2) return translate_map(body);
  if (header.type == PERF_RECORD_COMM) {
    const auto comm = fields<CommFields>(body);
    if (!comm || (header.misc & PERF_RECORD_MISC_COMM_EXEC) == 0) return std::nullopt;
    record.kind = Kind::kExec;
    record.pid = static_cast<pid_t>(comm->pid);
    return record;
  }
  if (header.type == PERF_RECORD_FORK || header.type == PERF_RECORD_EXIT) {
    const auto task = fields<TaskFields>(body);
    // New threads belong to a process that we know; a thread's end is not its process's.
    if (!task || task->pid != task->tid) return std::nullopt;
    record.kind = header.type == PERF_RECORD_FORK ? Kind::kFork : Kind::kExit;
    record.pid = static_cast<pid_t>(task->pid);
    record.parent = static_cast<pid_t>(task->ppid);
    return record;
  }
  if (header.type == PERF_RECORD_LOST) {
    const auto lost = fields<LostFields>(body);
    if (!lost) return std::nullopt;
    record.lost = lost->lost;
    return record;
  }
  return std::nullopt;
}

}  // namespace

struct PerfRecords::Ring {
  Fd fd;
  perf_event_mmap_page* control = nullptr;
  const char* data = nullptr;

  bool map(std::size_t page) {
    void* const at =
        mmap(nullptr, page + kRingBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    if (at == MAP_FAILED) return false;
    control = static_cast<perf_event_mmap_page*>(at);
    data = static_cast<const char*>(at) + page;
    return true;
  }
  ~Ring() {
    if (control != nullptr)
      munmap(control, static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) + kRingBytes);
  }

  // `size` bytes at position `at`, which may wrap around.
  void copy(std::uint64_t at, void* to, std::size_t size) const {
    const std::size_t from = at % kRingBytes;
    const std::size_t first = std::min(size, kRingBytes - from);
    std::memcpy(to, data + from, first);
    std::memcpy(static_cast<char*>(to) + first, data, size - first);
  }

  // Records from before `until`; true: there are later ones.
  bool read(std::uint64_t until, std::vector<ProcessRecord>& records) {
    std::uint64_t tail = control->data_tail;
    const std::uint64_t head = __atomic_load_n(&control->data_head, __ATOMIC_ACQUIRE);
    std::string body;
    bool later = false;
    while (head - tail >= sizeof(perf_event_header)) {
      perf_event_header header;
      copy(tail, &header, sizeof(header));
      if (header.size < sizeof(header) + sizeof(std::uint64_t) || header.size > head - tail) break;
      body.resize(header.size - sizeof(header));
      copy(tail + sizeof(header), body.data(), body.size());
      // The trailer of sample_id_all holds the one field asked for.
      std::uint64_t time = 0;
      std::memcpy(&time, body.data() + body.size() - sizeof(time), sizeof(time));
      later = time >= until;
      if (later) break;
      if (auto record = translate(header, body)) {
        record->time_ns = time;
        records.push_back(std::move(*record));
      }
      tail += header.size;
    }
    __atomic_store_n(&control->data_tail, tail, __ATOMIC_RELEASE);
    return later;
  }
};

PerfRecords::PerfRecords() = default;
PerfRecords::PerfRecords(PerfRecords&&) noexcept = default;
PerfRecords& PerfRecords::operator=(PerfRecords&&) noexcept = default;
PerfRecords::~PerfRecords() = default;

Result<PerfRecords> PerfRecords::open() {
  PerfRecords records;
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const long cpus = sysconf(_SC_NPROCESSORS_CONF);
  for (int cpu = 0; cpu < cpus; ++cpu) {
    auto ring = std::make_unique<Ring>();
    ring->fd = open_event(cpu);
    if (!ring->fd) {
      if (errno == ENODEV) continue;  // the CPU is offline
      return Error{std::string("perf_event_open: ") + std::strerror(errno) +
                   " (needs CAP_PERFMON or CAP_SYS_ADMIN)"};
    }
    if (!ring->map(page)) return Error{std::string("perf ring: ") + std::strerror(errno)};
    records.descriptors_.push_back(ring->fd.get());
    records.rings_.push_back(std::move(ring));
  }
  return records;
}

std::vector<ProcessRecord> PerfRecords::read() {
  std::vector<ProcessRecord> records;
  // Nothing from after the begin: a process that goes on to a CPU whose ring is still to be read
  // would else run a program (exec) before it was made (fork, in a ring that was read already).
  const std::uint64_t until = monotonic_ns();
  more_ = false;
  for (auto& ring : rings_) more_ |= ring->read(until, records);
  std::stable_sort(records.begin(), records.end(),
                   [](const auto& a, const auto& b) { return a.time_ns < b.time_ns; });
  return records;
}

}  // namespace llmtap
