// SPDX-License-Identifier: Apache-2.0
//
// An evaluation metric of Datadog LLM Observability (datadog-llmobs contract 2) as JSON. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "parsers/core/result.h"

namespace llmtap {

struct EvalMetric {
  // Joined to one span by its ids, or to all spans that carry a tag.
  std::string span_id;   // decimal
  std::string trace_id;  // of LLM Observability, hex
  std::string tag_key, tag_value;
  std::string label;  // no dots
  // categorical, score, boolean; json: an object, as text.
  struct Json {
    std::string text;
  };
  std::variant<std::string, double, bool, Json> value;
  std::string ml_app;
  std::int64_t timestamp_ms = 0;
  std::vector<std::string> tags;  // "key:value"
  std::string assessment;         // "pass", "fail"; empty: none
  std::string reasoning;          // empty: none
};

// What stands before, between and after metrics in the body of a request.
inline constexpr const char* kEvalHead =
    R"({"data":{"type":"evaluation_metric","attributes":{"metrics":[)";
inline constexpr const char* kEvalTail = "]}}}";

// The Error says what the intake would refuse.
Result<std::string> eval_metric_json(const EvalMetric& metric);

}  // namespace llmtap
