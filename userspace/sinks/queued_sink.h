// SPDX-License-Identifier: Apache-2.0
//
// Puts a bounded queue and a thread of its own in front of a writer, so that no destination can
// hold up capture or another destination.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <thread>

#include "parsers/core/result.h"
#include "userspace/base/bounded_queue.h"
#include "userspace/sinks/sink.h"

namespace llmtap {

using SharedCall = std::shared_ptr<const CallRecord>;

// What a destination does with calls. Runs on the sink's thread; may block, must not throw.
class RecordWriter {
 public:
  virtual ~RecordWriter() = default;
  virtual std::string_view name() const = 0;
  virtual void write(std::span<const SharedCall> calls) = 0;
  // No call came for a while: time for what does not wait for calls.
  virtual void idle() {}
  // Everything written so far leaves the process, or as much as does within `deadline`.
  virtual void flush(std::chrono::milliseconds deadline) { static_cast<void>(deadline); }
  // Fills in what the writer knows; from any thread.
  virtual void count(SinkCounts& counts) const { static_cast<void>(counts); }
};

// What a destination may see of a call: content policy and sampling. nullptr: nothing.
// Runs on the sink's thread.
using Prepare = std::function<SharedCall(const SharedCall&)>;

// nullptr in a good result: the destination is off.
using OpenWriter = std::function<Result<std::unique_ptr<RecordWriter>>()>;

class QueuedSink final : public Sink {
 public:
  // A reload of the configuration. Empty `open`: the writer stays, only `prepare` changes.
  struct Change {
    OpenWriter open;
    OpenWriter back;  // the former writer again, if `open` fails
    Prepare prepare;
    std::chrono::milliseconds flush_deadline{0};  // of the former writer
  };

  QueuedSink(std::unique_ptr<RecordWriter> writer, std::size_t capacity, Prepare prepare = {});
  ~QueuedSink() override;  // writes what is queued, then stops

  std::string_view name() const override { return name_; }
  void accept(SharedCall call) override;
  void flush(std::chrono::milliseconds deadline) override;
  SinkCounts counts() const override;
  // Returns at once; what is accepted from now on is treated the new way. The sink's thread closes
  // the old writer before it opens the new one (they may share a spool), and calls wait meanwhile.
  void change(Change change);

  std::uint64_t accepted() const { return accepted_; }
  std::uint64_t dropped() const { return dropped_; }  // the queue was full, or the writer failed
  std::size_t queued() const { return queue_.size(); }

 private:
  void run();
  void write(std::span<const SharedCall> calls);
  void hand_over(std::span<const SharedCall> calls);
  void apply(Change change);
  void switch_off_without_writer();
  void set_writer(std::unique_ptr<RecordWriter> writer);

  const std::string name_;
  const std::size_t capacity_;
  // Written by the sink's thread only, which therefore reads without the lock.
  std::unique_ptr<RecordWriter> writer_;  // guarded by writer_mutex_
  SinkCounts former_;                     // likewise: what former writers counted
  mutable std::shared_mutex writer_mutex_;
  Prepare prepare_;  // sink's thread only
  BoundedQueue<SharedCall> queue_;
  std::atomic<bool> off_{false};
  std::atomic<std::uint64_t> accepted_{0};
  std::atomic<std::uint64_t> dropped_{0};
  std::atomic<std::uint64_t> withheld_{0};
  std::mutex mutex_;
  std::condition_variable written_changed_;
  std::uint64_t written_ = 0;     // guarded by mutex_
  std::optional<Change> change_;  // guarded by mutex_; the last one counts
  std::thread thread_;            // last: starts when everything else is there
};

}  // namespace llmtap
