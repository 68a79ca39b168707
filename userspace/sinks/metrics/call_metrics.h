// SPDX-License-Identifier: Apache-2.0
//
// Calls as Prometheus metrics, by provider, model and service: two labels for provider and model,
// always, since who is slow is a question about both. Pure; the owner decides about threads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "parsers/core/call_record.h"
#include "userspace/sinks/metrics/exposition.h"
#include "userspace/sinks/metrics/label_sets.h"

namespace llmtap {

class CallMetrics {
 public:
  static constexpr std::size_t kRateLimits = 8;  // dimensions per provider, model and service

  // `max_label_sets`: combinations of provider, model and service (label_sets.h).
  explicit CallMetrics(std::size_t max_label_sets) : label_sets_(max_label_sets) {}

  void add(const CallRecord& call);
  void write(Exposition& out) const;

 private:
  struct Latency {
    Latency();
    Histogram duration, first_token;
  };
  struct Series {
    Series();
    std::map<bool, Latency> by_ok;  // apart: errors are quick, or time out
    std::map<std::pair<std::string, std::string>, std::uint64_t> errors;  // class, HTTP status
    std::map<std::pair<std::string_view, std::string_view>, std::uint64_t> tokens;  // class, source
    std::map<std::string_view, double> cost;                                        // by source
    Histogram output_token_gap;
    std::uint64_t retries = 0;
    std::uint64_t partial = 0;
    std::uint64_t without_cost = 0;
    std::map<std::string, RateLimit> rate_limits;  // the last that was said
  };
  void add_tokens(Series& series, const CallRecord& call);
  void add_rate_limits(Series& series, const CallRecord& call);
  void write_money_and_limits(Exposition& out) const;
  // `each` writes the samples of one series.
  template <class Each>
  void each_family(Exposition& out, std::string_view name, std::string_view type,
                   std::string_view help, Each each) const;

  LabelSets label_sets_;
  std::map<LabelSet, Series> series_;
};

}  // namespace llmtap
