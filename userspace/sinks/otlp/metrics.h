// SPDX-License-Identifier: Apache-2.0
//
// Calls added up to the histograms of the GenAI conventions (1.41.1, gen-ai-metrics.md; or what has
// become of them since), per service. A model server's own side gives gen_ai.server.* instead, so
// that a call seen at both ends counts once on each.
//
// gen_ai.client.operation.time_per_output_chunk is not reported: a record has the first and the
// last chunk's time, not those between. Estimated tokens count only where asked for (1.41.1: MUST).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "parsers/core/call_record.h"
#include "userspace/sinks/otlp/model.h"
#include "userspace/sinks/otlp/names.h"
#include "userspace/sinks/otlp/resource.h"

namespace llmtap::otlp {

struct MetricOptions {
  Conventions conventions = Conventions::k1_41;
  Temporality temporality = Temporality::kCumulative;
  bool estimated_tokens = false;
};

// Not thread-safe.
class MetricTable {
 public:
  // Different sets of attributes, over all metrics. Further ones share one point a metric, marked
  // otel.metric.overflow, as the SDK specification has it.
  static constexpr std::size_t kMostSeries = 2000;
  static constexpr std::size_t kLongestValue = 128;  // of an attribute

  MetricTable(MetricOptions options, Host host, TimeNs now);

  void add(const CallRecord& call);

  struct Group {
    Value resource;
    std::vector<Metric> metrics;
  };
  // One group per service. Delta: what came since the last time; cumulative: all since the start.
  std::vector<Group> collect(TimeNs now);

  std::size_t series() const { return series_.size(); }

 private:
  struct Kind;
  struct Key {
    std::string resource;  // JSON
    const Kind* kind;
    std::string attributes;  // JSON
    auto operator<=>(const Key&) const = default;
  };
  static const Kind kKinds[];

  std::string resource_text(const CallRecord& call) const;
  void add_times(const CallRecord& call, const std::string& resource, const Value& attributes);
  void add_tokens(const CallRecord& call, const std::string& resource, const Value& attributes);
  void add_latest_tokens(const CallRecord& call, const std::string& resource,
                         const Value& attributes);
  void add_value(std::string_view metric, const std::string& resource, const Value& attributes,
                 double value);

  const MetricOptions options_;
  const Host host_;
  TimeNs start_;
  std::map<Key, Point> series_;
};

}  // namespace llmtap::otlp
