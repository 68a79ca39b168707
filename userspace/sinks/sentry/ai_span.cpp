// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/sentry/ai_span.h"

#include <charconv>

#include "userspace/sinks/otlp/encode.h"
#include "userspace/sinks/otlp/span_map.h"
#include "userspace/sinks/otlp/trace_ids.h"

namespace llmtap::sentry {
namespace {

using otlp::Value;

void put(Value& out, const char* key, const std::string& value) {
  if (!value.empty()) out[key] = value;
}

// What the process says of itself, else the daemon's setting.
std::string own_or(const CallRecord& call, std::string_view variable, const std::string& other) {
  for (const auto& [name, value] : call.process.environment) {
    if (name == variable && !value.empty()) return value;
  }
  return other;
}

// Costs known here replace those that Sentry would compute from its own list.
void put_cost(const CallRecord& call, Value& out) {
  if (!call.cost) return;
  out.erase("gen_ai.usage.cost");
  if (call.cost->input_usd) out["gen_ai.cost.input_tokens"] = *call.cost->input_usd;
  if (call.cost->output_usd) out["gen_ai.cost.output_tokens"] = *call.cost->output_usd;
  out["gen_ai.cost.total_tokens"] = call.cost->total_usd;
}

void put_usage(const CallRecord& call, double seconds, Value& out) {
  const auto input = otlp::input_tokens(call), output = otlp::output_tokens(call);
  if (input && output) out["gen_ai.usage.total_tokens"] = *input + *output;
  if (output && seconds > 0)
    out["gen_ai.response.tokens_per_second"] = static_cast<double>(*output) / seconds;
}

std::string_view value_type(const Value& value) {
  if (value.is_boolean()) return "boolean";
  if (value.is_number_integer()) return "integer";
  if (value.is_number_float()) return "double";
  if (value.is_array()) return "array";
  return "string";
}

Value typed(const Value& attributes) {
  Value out = Value::object();
  for (const auto& [key, value] : attributes.items())
    out[key] = {{"type", value_type(value)}, {"value", value}};
  return out;
}

double unix_seconds(TimeNs ns) { return static_cast<double>(ns) / 1e9; }

std::string dump(const Value& value) {
  return value.dump(-1, ' ', false, Value::error_handler_t::replace);
}

}  // namespace

bool sampled(const CallRecord& call, const SpanOptions& options) {
  if (options.sample_rate >= 1 || !otlp::error_type(call).empty()) return true;
  const std::string trace = otlp::trace_ids(call).trace_id;
  std::uint64_t low = 0;
  std::from_chars(trace.data() + 16, trace.data() + 32, low, 16);
  low *= 1111111111111111111ULL;  // ids of some tracers are not evenly spread
  return static_cast<double>(low) < options.sample_rate * 18446744073709551616.0;
}

otlp::Span ai_span(const CallRecord& call, const SpanOptions& options) {
  otlp::MapOptions mapping;
  mapping.span_content = options.content;
  otlp::Span span = otlp::make_span(call, mapping);
  Value& out = span.attributes;
  out["sentry.op"] = "gen_ai." + std::string(otlp::operation_name(call));
  out["sentry.origin"] = "auto.ai.llmtap";
  put(out, "sentry.environment", own_or(call, "DD_ENV", options.environment));
  put(out, "sentry.release", own_or(call, "DD_VERSION", options.release));
  out["gen_ai.response.streaming"] = call.streamed;
  put_usage(call, unix_seconds(span.end - span.start), out);
  put_cost(call, out);
  span.events.clear();  // Sentry drops them
  return span;
}

std::string envelope(const otlp::Span& span, const Value& resource, const Dsn& dsn) {
  Value attributes = span.attributes;
  for (const auto& [key, value] : resource.items()) attributes[key] = value;
  attributes["sentry.sdk.name"] = otlp::kScopeName;
  attributes["sentry.sdk.version"] = otlp::kScopeVersion;
  Value item = {{"trace_id", span.trace_id},
                {"span_id", span.span_id},
                {"name", span.name},
                {"status", span.status.code == otlp::StatusCode::kError ? "error" : "ok"},
                {"is_segment", span.parent_span_id.empty()},
                {"start_timestamp", unix_seconds(span.start)},
                {"end_timestamp", unix_seconds(span.end)},
                {"attributes", typed(attributes)}};
  if (!span.parent_span_id.empty()) item["parent_span_id"] = span.parent_span_id;
  if (!span.status.message.empty()) {
    item["attributes"]["sentry.status.message"] = {{"type", "string"},
                                                   {"value", span.status.message}};
  }
  const std::string payload = dump({{"version", 2}, {"items", Value::array({std::move(item)})}});
  Value trace = {{"trace_id", span.trace_id}, {"public_key", dsn.public_key}, {"sampled", "true"}};
  for (const char* key : {"environment", "release"}) {
    const std::string full = std::string("sentry.") + key;
    if (attributes.contains(full)) trace[key] = attributes[full];
  }
  const Value sdk = {{"name", otlp::kScopeName}, {"version", otlp::kScopeVersion}};
  return dump({{"trace", std::move(trace)}, {"sdk", sdk}}) + '\n' +
         dump({{"type", "span"},
               {"item_count", 1},
               {"content_type", "application/vnd.sentry.items.span.v2+json"},
               {"length", payload.size()}}) +
         '\n' + payload + '\n';
}

}  // namespace llmtap::sentry
