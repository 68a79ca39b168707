// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/queued_sink.h"

#include <chrono>
#include <exception>
#include <utility>

#include "userspace/base/log.h"

namespace llmtap {
namespace {

constexpr std::size_t kMostAtOnce = 256;
constexpr std::chrono::milliseconds kIdle{500};

}  // namespace

QueuedSink::QueuedSink(std::unique_ptr<RecordWriter> writer, std::size_t capacity, Prepare prepare)
    : name_(writer->name()),
      capacity_(capacity),
      writer_(std::move(writer)),
      prepare_(std::move(prepare)),
      queue_(capacity),
      thread_([this] { run(); }) {}

QueuedSink::~QueuedSink() {
  queue_.close();
  thread_.join();
  if (dropped_ > 0) log_warning(name_ + ": " + std::to_string(dropped_) + " calls dropped");
}

void QueuedSink::accept(SharedCall call) {
  if (off_) return;
  if (queue_.push(std::move(call))) {
    ++accepted_;
    return;
  }
  if (dropped_++ == 0) {
    log_warning(name_ + ": queue full, calls are dropped and counted");
  }
}

void QueuedSink::flush(std::chrono::milliseconds deadline) {
  const auto until = std::chrono::steady_clock::now() + deadline;
  {
    const std::uint64_t goal = accepted_;
    std::unique_lock lock(mutex_);
    written_changed_.wait_until(lock, until, [&] { return written_ >= goal; });
  }
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      until - std::chrono::steady_clock::now());
  const std::shared_lock lock(writer_mutex_);
  if (writer_) writer_->flush(std::max(left, std::chrono::milliseconds{0}));
}

SinkCounts QueuedSink::counts() const {
  SinkCounts counts;
  counts.name = name_;
  counts.accepted = accepted_;
  counts.dropped = dropped_;
  counts.withheld = withheld_;
  counts.queued = queue_.size();
  counts.capacity = capacity_;
  const std::shared_lock lock(writer_mutex_);
  if (writer_) writer_->count(counts);
  add_totals(counts, former_);
  return counts;
}

void QueuedSink::change(Change change) {
  const std::lock_guard lock(mutex_);
  // An earlier change that was not applied yet: what is open is still the writer before it.
  if (change_ && change_->open) {
    if (!change.open) change.open = std::move(change_->open);
    change.back = std::move(change_->back);
    change.flush_deadline = change_->flush_deadline;
  }
  change_ = std::move(change);
  off_ = false;
}

void QueuedSink::set_writer(std::unique_ptr<RecordWriter> writer) {
  {
    const std::unique_lock lock(writer_mutex_);
    SinkCounts last;
    if (writer_) writer_->count(last);
    add_totals(former_, last);
    writer_.swap(writer);
  }
  // The former writer, if any, ends here: not under the lock, it may take its time.
}

void QueuedSink::switch_off_without_writer() {
  const std::lock_guard lock(mutex_);
  off_ = !writer_ && !change_;
}

void QueuedSink::apply(Change change) {
  if (change.open) {
    if (writer_) writer_->flush(change.flush_deadline);
    set_writer(nullptr);
    auto writer = change.open();
    if (!writer) {
      log_error(name_ + ": " + writer.error().message + "; the former destination stays");
      writer = change.back();
      if (!writer) log_error(name_ + ": " + writer.error().message + "; nothing is sent");
      if (writer) set_writer(std::move(*writer));
      switch_off_without_writer();
      return;
    }
    set_writer(std::move(*writer));
    switch_off_without_writer();
  }
  prepare_ = std::move(change.prepare);
}

void QueuedSink::run() {
  while (!queue_.done()) {
    const auto calls = queue_.pop(kMostAtOnce, kIdle);
    // After pop: what was accepted after the change is never treated the old way.
    std::optional<Change> change;
    {
      const std::lock_guard lock(mutex_);
      change = std::exchange(change_, std::nullopt);
    }
    if (change) apply(std::move(*change));
    if (!calls.empty()) {
      write(calls);
    } else if (writer_) {
      writer_->idle();
    }
  }
}

void QueuedSink::write(std::span<const SharedCall> calls) {
  try {
    hand_over(calls);
  } catch (const std::exception& error) {
    // Texts off the wire go through libraries that throw: one record must not end the daemon.
    dropped_ += calls.size();
    log_error(name_ + ": " + error.what() + "; up to " + std::to_string(calls.size()) +
              " calls are lost");
  }
  {
    const std::lock_guard lock(mutex_);
    written_ += calls.size();
  }
  written_changed_.notify_all();
}

void QueuedSink::hand_over(std::span<const SharedCall> calls) {
  if (!writer_) {
    withheld_ += calls.size();
  } else if (!prepare_) {
    writer_->write(calls);
  } else {
    std::vector<SharedCall> visible;
    visible.reserve(calls.size());
    for (const auto& call : calls) {
      if (auto seen = prepare_(call)) visible.push_back(std::move(seen));
    }
    withheld_ += calls.size() - visible.size();
    if (!visible.empty()) writer_->write(visible);
  }
}

}  // namespace llmtap
