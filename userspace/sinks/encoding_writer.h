// SPDX-License-Identifier: Apache-2.0
//
// The writer of every HTTP destination whose records are one pure function of a call.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "userspace/sinks/delivery.h"
#include "userspace/sinks/queued_sink.h"

namespace llmtap {

// A record for the spool; nothing: not for this destination.
using Encode = std::function<std::optional<std::string>(const CallRecord&)>;

class EncodingWriter final : public RecordWriter {
 public:
  EncodingWriter(Encode encode, DeliveryOptions options, std::unique_ptr<Spool> spool)
      : name_(options.name),
        encode_(std::move(encode)),
        delivery_(std::move(options), std::move(spool)) {}

  std::string_view name() const override { return name_; }
  void write(std::span<const SharedCall> calls) override {
    for (const auto& call : calls) {
      if (auto record = encode_(*call)) {
        delivery_.send(std::move(*record));
      } else {
        ++withheld_;
      }
    }
  }
  void flush(std::chrono::milliseconds deadline) override { delivery_.flush(deadline); }
  void count(SinkCounts& counts) const override {
    counts.delivery = delivery_.counts();
    counts.withheld += withheld_;
  }

 private:
  const std::string name_;
  const Encode encode_;
  Delivery delivery_;
  std::atomic<std::uint64_t> withheld_{0};
};

}  // namespace llmtap
