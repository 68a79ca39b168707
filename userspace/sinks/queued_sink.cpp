// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/queued_sink.h"

#include <chrono>
#include <utility>

#include "userspace/base/log.h"

namespace llmtap {
namespace {

constexpr std::size_t kMostAtOnce = 256;
constexpr std::chrono::milliseconds kIdle{500};

}  // namespace

QueuedSink::QueuedSink(std::unique_ptr<RecordWriter> writer, std::size_t capacity, Prepare prepare)
    : writer_(std::move(writer)),
      prepare_(std::move(prepare)),
      queue_(capacity),
      thread_([this] { run(); }) {}

QueuedSink::~QueuedSink() {
  queue_.close();
  thread_.join();
  if (dropped_ > 0)
    log_warning(std::string(name()) + ": " + std::to_string(dropped_) + " calls dropped");
}

void QueuedSink::accept(SharedCall call) {
  if (queue_.push(std::move(call))) {
    ++accepted_;
    return;
  }
  if (dropped_++ == 0) {
    log_warning(std::string(name()) + ": queue full, calls are dropped and counted");
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
  writer_->flush(std::max(left, std::chrono::milliseconds{0}));
}

void QueuedSink::run() {
  while (!queue_.done()) {
    const auto calls = queue_.pop(kMostAtOnce, kIdle);
    if (!calls.empty()) write(calls);
  }
}

void QueuedSink::write(std::span<const SharedCall> calls) {
  if (!prepare_) {
    writer_->write(calls);
  } else {
    std::vector<SharedCall> visible;
    visible.reserve(calls.size());
    for (const auto& call : calls) {
      if (auto seen = prepare_(call)) visible.push_back(std::move(seen));
    }
    if (!visible.empty()) writer_->write(visible);
  }
  {
    const std::lock_guard lock(mutex_);
    written_ += calls.size();
  }
  written_changed_.notify_all();
}

}  // namespace llmtap
