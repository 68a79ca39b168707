// SPDX-License-Identifier: Apache-2.0
//
// What OTLP can say, as far as llmtap says it (opentelemetry-proto 1.11: trace, metrics, logs). The
// mappings fill these; encode.h renders them as protobuf or JSON.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "parsers/core/chunk.h"

namespace llmtap::otlp {

// An AnyValue. Attributes are an object of them, in the order in which they were put.
using Value = nlohmann::ordered_json;

enum class SpanKind : std::uint8_t { kUnspecified = 0, kInternal = 1, kServer = 2, kClient = 3 };
enum class StatusCode : std::uint8_t { kUnset = 0, kOk = 1, kError = 2 };

struct SpanEvent {
  TimeNs time = 0;
  std::string name;
  Value attributes = Value::object();
};

struct Status {
  StatusCode code = StatusCode::kUnset;
  std::string message;
};

// Ids are lower-case hex digits; empty: none.
struct Span {
  std::string trace_id;
  std::string span_id;
  std::string parent_span_id;
  std::string trace_state;
  std::uint32_t flags = 0;
  std::string name;
  SpanKind kind = SpanKind::kClient;
  TimeNs start = 0;
  TimeNs end = 0;
  Value attributes = Value::object();
  std::vector<SpanEvent> events;
  Status status;
};

struct LogRecord {
  TimeNs time = 0;
  TimeNs observed_time = 0;
  std::uint8_t severity = 0;  // SeverityNumber: 9 INFO, 13 WARN
  std::string severity_text;
  std::string event_name;
  Value attributes = Value::object();
  std::string trace_id;
  std::string span_id;
  std::uint32_t flags = 0;
};

enum class Temporality : std::uint8_t { kDelta = 1, kCumulative = 2 };

// A point of a histogram, or, without bounds, of a monotonic sum.
struct Point {
  Value attributes = Value::object();
  TimeNs start = 0;
  TimeNs time = 0;
  std::uint64_t count = 0;
  double sum = 0;
  double min = 0;
  double max = 0;
  std::vector<std::uint64_t> buckets;  // bounds + 1
};

struct Metric {
  std::string name;
  std::string description;
  std::string unit;
  Temporality temporality = Temporality::kCumulative;
  std::vector<double> bounds;  // empty: a sum
  std::vector<Point> points;
};

// Who says it: the resource, and the version of the conventions that the names follow.
struct Origin {
  Value resource = Value::object();
  std::string schema_url;
};

}  // namespace llmtap::otlp
