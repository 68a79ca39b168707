// SPDX-License-Identifier: Apache-2.0
//
// The messages of OTLP field by field: number, JSON name, value. Written once, for any writer `W`
// (encode.cpp has one for protobuf and one for JSON). As in proto3, a writer leaves out what is
// empty or zero, except in `any_*`, members of a oneof.
#pragma once

#include <cstdint>
#include <limits>

#include "userspace/sinks/otlp/encode.h"
#include "userspace/sinks/otlp/model.h"

namespace llmtap::otlp {

struct AnyValue {
  const Value& value;
  int depth = 0;
};
struct ArrayValue {
  const Value& values;
  int depth = 0;
};
struct KeyValueList {
  const Value& members;
  int depth = 0;
};
struct KeyValue {
  const std::string& key;
  const Value& value;
  int depth = 0;
};
struct Resource {
  const Value& attributes;
};
struct Scope {};
struct Histogram {
  const Metric& metric;
};
struct Sum {
  const Metric& metric;
};

// ResourceSpans, ResourceLogs, ResourceMetrics and what is in them differ in names only.
template <class Item>
struct Group {
  const Origin& origin;
  const std::vector<Item>& items;
};
template <class Item>
struct ScopeGroup {
  const Origin& origin;
  const std::vector<Item>& items;
};

struct SignalNames {
  const char* of_resource;
  const char* of_scope;
  const char* items;
};
constexpr SignalNames names_of(Signal signal) {
  switch (signal) {
    case Signal::kTraces:
      return {"resourceSpans", "scopeSpans", "spans"};
    case Signal::kMetrics:
      return {"resourceMetrics", "scopeMetrics", "metrics"};
    case Signal::kLogs:
      return {"resourceLogs", "scopeLogs", "logRecords"};
  }
  return {};
}
constexpr Signal signal_of(const Span*) { return Signal::kTraces; }
constexpr Signal signal_of(const Metric*) { return Signal::kMetrics; }
constexpr Signal signal_of(const LogRecord*) { return Signal::kLogs; }

template <class W>
void attributes(W& w, int number, const Value& members, int depth = 0) {
  for (const auto& [key, value] : members.items())
    w.repeated(number, "attributes", KeyValue{key, value, depth});
}

// common.proto

template <class W>
void fields(W& w, const AnyValue& any) {
  const Value& v = any.value;
  if (v.is_structured() && any.depth >= kMostDepth) {
    w.any_text(1, "stringValue", v.dump(-1, ' ', false, Value::error_handler_t::replace));
  } else if (v.is_array()) {
    w.message(5, "arrayValue", ArrayValue{v, any.depth + 1});
  } else if (v.is_object()) {
    w.message(6, "kvlistValue", KeyValueList{v, any.depth + 1});
  } else if (v.is_string()) {
    w.any_text(1, "stringValue", v.template get_ref<const std::string&>());
  } else if (v.is_boolean()) {
    w.any_bool(2, "boolValue", v.template get<bool>());
  } else if (v.is_number_unsigned() &&
             v.template get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max()) {
    w.any_double(4, "doubleValue", v.template get<double>());  // a parameter off the wire
  } else if (v.is_number_integer()) {
    w.any_int(3, "intValue", v.template get<std::int64_t>());
  } else if (v.is_number_float()) {
    w.any_double(4, "doubleValue", v.template get<double>());
  }
}

template <class W>
void fields(W& w, const ArrayValue& array) {
  for (const auto& value : array.values) w.repeated(1, "values", AnyValue{value, array.depth});
}

template <class W>
void fields(W& w, const KeyValueList& list) {
  for (const auto& [key, value] : list.members.items())
    w.repeated(1, "values", KeyValue{key, value, list.depth});
}

template <class W>
void fields(W& w, const KeyValue& pair) {
  w.text(1, "key", pair.key);
  w.message(2, "value", AnyValue{pair.value, pair.depth});
}

template <class W>
void fields(W& w, const Scope&) {
  w.text(1, "name", kScopeName);
  w.text(2, "version", kScopeVersion);
}

template <class W>
void fields(W& w, const Resource& resource) {
  attributes(w, 1, resource.attributes);
}

template <class W, class Item>
void fields(W& w, const ScopeGroup<Item>& group) {
  w.message(1, "scope", Scope{});
  for (const auto& item : group.items) w.repeated(2, names_of(signal_of(&item)).items, item);
  w.text(3, "schemaUrl", group.origin.schema_url);
}

template <class W, class Item>
void fields(W& w, const Group<Item>& group) {
  const Item* const kind = nullptr;
  w.message(1, "resource", Resource{group.origin.resource});
  w.repeated(2, names_of(signal_of(kind)).of_scope, ScopeGroup<Item>{group.origin, group.items});
  w.text(3, "schemaUrl", group.origin.schema_url);
}

// trace.proto

template <class W>
void fields(W& w, const SpanEvent& event) {
  w.fixed64(1, "timeUnixNano", event.time);
  w.text(2, "name", event.name);
  attributes(w, 3, event.attributes);
}

template <class W>
void fields(W& w, const Status& status) {
  w.text(2, "message", status.message);
  w.number(3, "code", static_cast<int>(status.code));
}

template <class W>
void fields(W& w, const Span& span) {
  w.id(1, "traceId", span.trace_id);
  w.id(2, "spanId", span.span_id);
  w.text(3, "traceState", span.trace_state);
  w.id(4, "parentSpanId", span.parent_span_id);
  w.text(5, "name", span.name);
  w.number(6, "kind", static_cast<int>(span.kind));
  w.fixed64(7, "startTimeUnixNano", span.start);
  w.fixed64(8, "endTimeUnixNano", span.end);
  attributes(w, 9, span.attributes);
  for (const auto& event : span.events) w.repeated(11, "events", event);
  w.message(15, "status", span.status);
  w.fixed32(16, "flags", span.flags);
}

// logs.proto

template <class W>
void fields(W& w, const LogRecord& record) {
  w.fixed64(1, "timeUnixNano", record.time);
  w.number(2, "severityNumber", record.severity);
  w.text(3, "severityText", record.severity_text);
  attributes(w, 6, record.attributes);
  w.fixed32(8, "flags", record.flags);
  w.id(9, "traceId", record.trace_id);
  w.id(10, "spanId", record.span_id);
  w.fixed64(11, "observedTimeUnixNano", record.observed_time);
  w.text(12, "eventName", record.event_name);
}

// metrics.proto

struct HistogramPoint {
  const Point& point;
  const std::vector<double>& bounds;
};
struct SumPoint {
  const Point& point;
};

template <class W>
void fields(W& w, const HistogramPoint& p) {
  w.fixed64(2, "startTimeUnixNano", p.point.start);
  w.fixed64(3, "timeUnixNano", p.point.time);
  w.fixed64(4, "count", p.point.count);
  w.any_double(5, "sum", p.point.sum);
  w.fixed64_list(6, "bucketCounts", p.point.buckets);
  w.double_list(7, "explicitBounds", p.bounds);
  attributes(w, 9, p.point.attributes);
  w.any_double(11, "min", p.point.min);
  w.any_double(12, "max", p.point.max);
}

template <class W>
void fields(W& w, const SumPoint& p) {
  w.fixed64(2, "startTimeUnixNano", p.point.start);
  w.fixed64(3, "timeUnixNano", p.point.time);
  w.any_fixed_int(6, "asInt", static_cast<std::int64_t>(p.point.sum));
  attributes(w, 7, p.point.attributes);
}

template <class W>
void fields(W& w, const Histogram& h) {
  for (const auto& point : h.metric.points)
    w.repeated(1, "dataPoints", HistogramPoint{point, h.metric.bounds});
  w.number(2, "aggregationTemporality", static_cast<int>(h.metric.temporality));
}

template <class W>
void fields(W& w, const Sum& s) {
  for (const auto& point : s.metric.points) w.repeated(1, "dataPoints", SumPoint{point});
  w.number(2, "aggregationTemporality", static_cast<int>(s.metric.temporality));
  w.any_bool(3, "isMonotonic", true);
}

template <class W>
void fields(W& w, const Metric& metric) {
  w.text(1, "name", metric.name);
  w.text(2, "description", metric.description);
  w.text(3, "unit", metric.unit);
  if (metric.bounds.empty()) {
    w.message(7, "sum", Sum{metric});
  } else {
    w.message(9, "histogram", Histogram{metric});
  }
}

}  // namespace llmtap::otlp
