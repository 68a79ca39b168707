// SPDX-License-Identifier: Apache-2.0
//
// Where finished records go. One interface, many sinks; each has its own bounded queue and thread.
#pragma once

#include <chrono>
#include <memory>
#include <string_view>

#include "parsers/core/call_record.h"
#include "userspace/sinks/counts.h"

namespace llmtap {

class Sink {
 public:
  virtual ~Sink() = default;
  virtual std::string_view name() const = 0;
  // Never blocks: a full queue drops the record and counts it.
  virtual void accept(std::shared_ptr<const CallRecord> call) = 0;
  // Sends what is queued; returns at the latest after `deadline`.
  virtual void flush(std::chrono::milliseconds deadline) = 0;
  // From any thread.
  virtual SinkCounts counts() const = 0;
};

}  // namespace llmtap
