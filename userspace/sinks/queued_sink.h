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
#include <span>
#include <string>
#include <thread>

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
  // Everything written so far leaves the process, or as much as does within `deadline`.
  virtual void flush(std::chrono::milliseconds deadline) { static_cast<void>(deadline); }
};

// What a destination may see of a call: content policy and sampling. nullptr: nothing.
// Runs on the sink's thread.
using Prepare = std::function<SharedCall(const SharedCall&)>;

class QueuedSink final : public Sink {
 public:
  QueuedSink(std::unique_ptr<RecordWriter> writer, std::size_t capacity, Prepare prepare = {});
  ~QueuedSink() override;  // writes what is queued, then stops

  std::string_view name() const override { return writer_->name(); }
  void accept(SharedCall call) override;
  void flush(std::chrono::milliseconds deadline) override;

  std::uint64_t accepted() const { return accepted_; }
  std::uint64_t dropped() const { return dropped_; }  // the queue was full
  std::size_t queued() const { return queue_.size(); }

 private:
  void run();
  void write(std::span<const SharedCall> calls);

  std::unique_ptr<RecordWriter> writer_;
  const Prepare prepare_;
  BoundedQueue<SharedCall> queue_;
  std::atomic<std::uint64_t> accepted_{0};
  std::atomic<std::uint64_t> dropped_{0};
  std::mutex mutex_;
  std::condition_variable written_changed_;
  std::uint64_t written_ = 0;  // guarded by mutex_
  std::thread thread_;         // last: starts when everything else is there
};

}  // namespace llmtap
