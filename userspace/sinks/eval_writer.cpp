// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/eval_writer.h"

#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "userspace/base/call_summary.h"
#include "userspace/base/log.h"
#include "userspace/sinks/llmobs/llmobs_encode.h"
#include "userspace/sinks/llmobs/tags.h"
#include "userspace/sinks/llmobs/trace_join.h"
#include "userspace/store/filter_match.h"

namespace llmtap {
namespace {

constexpr std::size_t kPayloadBytes = 5'242'880;
constexpr std::size_t kMostRecords = 1000;

std::optional<double> number(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc{} && end == text.data() + text.size();
  if (!whole || !std::isfinite(value)) return std::nullopt;  // "nan" and "infinity" are words
  return value;
}

}  // namespace

std::vector<EvalMetric> evaluate(const std::vector<EvalRule>& rules, const CallRecord& call) {
  std::vector<EvalMetric> metrics;
  if (!generates(call.operation)) return metrics;
  const auto summary = summarize(call);
  const auto ids = llmobs::join_trace(call);
  const std::string app = llmobs::ml_app(call, ids);
  for (const auto& rule : rules) {
    if (!matches(rule.only, call, summary)) continue;
    const bool holds = matches(rule.when, call, summary);
    if (!holds && !rule.value.empty()) continue;
    EvalMetric metric;
    metric.span_id = ids.span_id;
    metric.trace_id = ids.trace_id;
    metric.label = rule.label;
    if (rule.value.empty()) {
      metric.value = holds;
    } else if (const auto score = number(rule.value)) {
      metric.value = *score;
    } else {
      metric.value = rule.value;
    }
    metric.ml_app = app;
    metric.timestamp_ms = static_cast<std::int64_t>(call.timing.end / 1'000'000);
    metric.tags = {"ddtrace.version:" + llmobs::EncodeOptions{}.version, "evaluator:llmtap-rule",
                   "ml_app:" + app};
    if (holds) metric.assessment = rule.assessment;
    metrics.push_back(std::move(metric));
  }
  return metrics;
}

DeliveryOptions eval_delivery(DeliveryOptions options, LlmobsTarget target) {
  options.name = "evaluations";
  options.head = kEvalHead;
  options.separator = ",";
  options.tail = kEvalTail;
  options.batch_records = kMostRecords;
  options.batch_bytes = kPayloadBytes - kMostRecords - options.head.size() - options.tail.size();
  options.resolve = [target = std::move(target)](HttpClient& client) {
    return resolve_llmobs(target, client, kEvaluationIntake);
  };
  return options;
}

EvalWriter::EvalWriter(std::vector<EvalRule> rules, LlmobsTarget target,
                       std::unique_ptr<Spool> spool, DeliveryOptions options)
    : rules_(std::move(rules)),
      report_sdk_calls_(target.report_sdk_calls),
      delivery_(eval_delivery(std::move(options), std::move(target)), std::move(spool)) {}

void EvalWriter::write(std::span<const SharedCall> calls) {
  for (const auto& call : calls) {
    // Without a span of ours there is nothing to join.
    if (!report_sdk_calls_ && llmobs::reported_by_sdk(*call)) {
      ++withheld_;
      continue;
    }
    for (const auto& metric : evaluate(rules_, *call)) {
      if (auto json = eval_metric_json(metric)) {
        delivery_.send(std::move(*json));
      } else {
        log_warning("evaluation " + metric.label + ": " + json.error().message);
      }
    }
  }
}

}  // namespace llmtap
