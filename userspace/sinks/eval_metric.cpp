// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/eval_metric.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>

namespace llmtap {
namespace {

using Value = nlohmann::json;  // sorted keys

// First key and where the metric belongs.
Status put_join(const EvalMetric& metric, Value& out) {
  const bool by_span = !metric.span_id.empty() || !metric.trace_id.empty();
  const bool by_tag = !metric.tag_key.empty();
  if (by_span == by_tag) return Error{"needs either a span and its trace, or a tag"};
  if (by_tag) {
    out["join_on"]["tag"] = {{"key", metric.tag_key}, {"value", metric.tag_value}};
    return Unit{};
  }
  if (metric.span_id.empty() || metric.trace_id.empty())
    return Error{"a span needs its trace id as well"};
  if (metric.span_id.find_first_not_of("0123456789") != std::string::npos)
    return Error{"the span id is not a decimal number"};
  out["join_on"]["span"] = {{"span_id", metric.span_id}, {"trace_id", metric.trace_id}};
  return Unit{};
}

Status put_value(const EvalMetric& metric, Value& out) {
  if (const auto* text = std::get_if<std::string>(&metric.value)) {
    out["metric_type"] = "categorical";
    out["categorical_value"] = *text;
  } else if (const auto* score = std::get_if<double>(&metric.value)) {
    if (!std::isfinite(*score)) return Error{"the score is not a finite number"};
    out["metric_type"] = "score";
    out["score_value"] = *score;
  } else if (const auto* flag = std::get_if<bool>(&metric.value)) {
    out["metric_type"] = "boolean";
    out["boolean_value"] = *flag;
  } else {
    auto json = Value::parse(std::get<EvalMetric::Json>(metric.value).text, nullptr, false);
    if (!json.is_object()) return Error{"the value is not a JSON object"};
    out["metric_type"] = "json";
    out["json_value"] = std::move(json);
  }
  return Unit{};
}

}  // namespace

Result<std::string> eval_metric_json(const EvalMetric& metric) {
  if (metric.label.empty()) return Error{"needs a label"};
  if (metric.label.find('.') != std::string::npos) return Error{"a label has no dots"};
  if (metric.ml_app.empty()) return Error{"needs an ml_app"};
  if (metric.timestamp_ms < 0) return Error{"the timestamp is negative"};
  Value out = {{"event_kind", "evaluation"}, {"label", metric.label},
               {"ml_app", metric.ml_app},    {"timestamp_ms", metric.timestamp_ms},
               {"eval_scope", "span"},       {"tags", metric.tags}};
  if (auto status = put_join(metric, out); !status) return status.error();
  if (auto status = put_value(metric, out); !status) return status.error();
  if (!metric.assessment.empty()) {
    if (metric.assessment != "pass" && metric.assessment != "fail")
      return Error{"the assessment is neither pass nor fail"};
    out["assessment"] = metric.assessment;
  }
  if (!metric.reasoning.empty()) out["reasoning"] = metric.reasoning;
  return out.dump(-1, ' ', true, Value::error_handler_t::replace);
}

}  // namespace llmtap
