// SPDX-License-Identifier: Apache-2.0
//
// Evaluates each call by the rules of the configuration and sends what comes out to Datadog LLM
// Observability, joined to the call's span, with the delivery that spans have.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "userspace/sinks/eval_metric.h"
#include "userspace/sinks/llmobs_exporter.h"
#include "userspace/store/filter.h"

namespace llmtap {

struct EvalRule {
  std::string label;
  Filter when;
  Filter only;        // empty: every call
  std::string value;  // where `when` holds: a number is a score; empty: true or false by `when`
  std::string assessment;  // where `when` holds; empty: none
};

// What the rules say about one call: ids, application and time are those of its span. Pure.
std::vector<EvalMetric> evaluate(const std::vector<EvalRule>& rules, const CallRecord& call);

// Framing and endpoint of evaluation metrics over `options`.
DeliveryOptions eval_delivery(DeliveryOptions options, LlmobsTarget target);

class EvalWriter final : public RecordWriter {
 public:
  EvalWriter(std::vector<EvalRule> rules, LlmobsTarget target, std::unique_ptr<Spool> spool,
             DeliveryOptions options = {});

  std::string_view name() const override { return "evaluations"; }
  void write(std::span<const SharedCall> calls) override;
  void flush(std::chrono::milliseconds deadline) override { delivery_.flush(deadline); }
  void count(SinkCounts& counts) const override {
    counts.delivery = delivery_.counts();
    counts.withheld += withheld_;
  }

 private:
  const std::vector<EvalRule> rules_;
  const bool report_sdk_calls_;
  Delivery delivery_;
  std::atomic<std::uint64_t> withheld_{0};
};

}  // namespace llmtap
