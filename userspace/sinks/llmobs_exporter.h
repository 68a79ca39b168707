// SPDX-License-Identifier: Apache-2.0
//
// Calls to Datadog LLM Observability, through the Agent of this host or directly: span events as
// dd-trace-py's dedicated writer sends them, one envelope per span, uncompressed (datadog-llmobs
// contract 1.1 to 1.4, 1.11).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "parsers/core/result.h"
#include "userspace/sinks/delivery.h"
#include "userspace/sinks/queued_sink.h"

namespace llmtap {

struct LlmobsTarget {
  std::string site = "datadoghq.com";
  std::string api_key;            // for the direct way; never logged
  std::optional<bool> agentless;  // absent: the Agent if it offers evp_proxy, else directly
  std::string agent_url;          // http://, https:// or unix://
  std::string override_origin;    // replaces scheme and host of either way; empty: none
  bool report_sdk_calls = false;  // also what a tracer inside the process reports itself
};

// What the Agent forwards where: the name of the intake's host and the path there.
struct LlmobsIntake {
  std::string_view subdomain;
  std::string_view path;
};
inline constexpr LlmobsIntake kSpanIntake{"llmobs-intake", "/api/v2/llmobs"};
inline constexpr LlmobsIntake kEvaluationIntake{"api", "/api/intake/llm-obs/v2/eval-metric"};

// Which way the next batch goes: asks the Agent where the target leaves it open.
Result<HttpEndpoint> resolve_llmobs(const LlmobsTarget& target, HttpClient& client,
                                    const LlmobsIntake& intake = kSpanIntake);

class LlmobsWriter final : public RecordWriter {
 public:
  // `options`: limits and times; name, endpoint and framing are set here.
  LlmobsWriter(LlmobsTarget target, std::unique_ptr<Spool> spool, DeliveryOptions options = {});

  std::string_view name() const override { return "datadog"; }
  void write(std::span<const SharedCall> calls) override;
  void flush(std::chrono::milliseconds deadline) override { delivery_.flush(deadline); }
  void count(SinkCounts& counts) const override {
    counts.delivery = delivery_.counts();
    counts.withheld += withheld_;
  }

 private:
  const bool report_sdk_calls_;
  Delivery delivery_;
  std::atomic<std::uint64_t> withheld_{0};  // calls that a tracer inside the process reports itself
};

}  // namespace llmtap
