// SPDX-License-Identifier: Apache-2.0
//
// Every sink that the configuration asks for: one row per destination in destinations.cpp. Sinks
// outlive a change of the configuration; only their writers are opened anew.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "parsers/core/result.h"
#include "userspace/app/config.h"
#include "userspace/sinks/queued_sink.h"

namespace llmtap {

// Belongs to one thread; counts() alone may be called from any.
class Destinations {
 public:
  Destinations() = default;  // none
  // Errors of opening end the start.
  static Result<std::unique_ptr<Destinations>> open(const Config& config);

  // The new configuration holds for calls accepted from now on. Does not wait; what cannot be
  // opened is logged and the former destination stays.
  void reload(const Config& config);

  void accept(const SharedCall& call);
  // All destinations have the whole deadline, not one after the other.
  void flush(std::chrono::milliseconds deadline);
  // What is on and where it goes, for people.
  std::vector<std::string> lines() const;
  // Of destinations that are, or were, on.
  std::vector<SinkCounts> counts() const;
  // A sink beside those of the configuration. Before the first call.
  void add(std::unique_ptr<Sink> sink) { others_.push_back(std::move(sink)); }

 private:
  Config config_;
  // By row; nullptr: was never on. Changed under the mutex by the owning thread.
  std::vector<std::unique_ptr<QueuedSink>> sinks_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Sink>> others_;
};

// What the configuration asks for, without opening anything.
std::vector<std::string> describe_destinations(const Config& config);

}  // namespace llmtap
