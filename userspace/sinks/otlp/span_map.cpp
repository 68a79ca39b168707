// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/otlp/span_map.h"

#include <algorithm>

#include "userspace/sinks/json_text.h"
#include "userspace/sinks/otlp/messages.h"
#include "userspace/sinks/otlp/request_params.h"
#include "userspace/sinks/otlp/trace_ids.h"

namespace llmtap::otlp {
namespace {

constexpr std::uint8_t kInfo = 9, kWarn = 13;
constexpr std::uint16_t kHttps = 443;

void put(Value& out, const char* key, std::string_view value) {
  if (!value.empty()) out[key] = value;
}
template <class T>
void put(Value& out, const char* key, const std::optional<T>& value) {
  if (value) out[key] = *value;
}

std::string error_text(const CallRecord& call) {
  if (call.error && !call.error->message.empty()) return call.error->message;
  if (call.http_status && *call.http_status >= 400)
    return "HTTP status " + std::to_string(*call.http_status);
  if (call.error) return call.error->type;
  return "the connection ended inside the answer";
}

// What samplers look at comes first.
void put_identity(const CallRecord& call, Value& out) {
  out["gen_ai.operation.name"] = operation_name(call);
  out["gen_ai.provider.name"] = provider_name(call);
  put(out, "gen_ai.request.model", call.model_requested);
  if (!call.host.empty()) {
    out["server.address"] = call.host;
    out["server.port"] = call.port.value_or(kHttps);
  }
  put(out, "error.type", error_type(call));
}

void put_response(const CallRecord& call, Value& out) {
  put(out, "gen_ai.response.id", call.response_id);
  put(out, "gen_ai.response.model", call.model_served);
  put(out, "gen_ai.conversation.id", call.session_id);
  put(out, "gen_ai.response.time_to_first_chunk", time_to_first_chunk(call));
  Value reasons = Value::array();
  for (const auto& message : call.output) {
    if (message.finish_reason) reasons.push_back(*message.finish_reason);
  }
  if (reasons.empty() && call.finish_reason) reasons.push_back(*call.finish_reason);
  if (!reasons.empty()) out["gen_ai.response.finish_reasons"] = std::move(reasons);
  put(out, "gen_ai.embeddings.dimension.count", call.embedding_size);
  for (const auto& param : call.vendor) {
    if (param.name == "service_tier" && call.dialect.starts_with("openai"))
      out["openai.response.service_tier"] = json_or_text<Value>(param.json);
  }
}

void put_usage(const CallRecord& call, const MapOptions& options, Value& out) {
  const auto& usage = call.usage;
  put(out, "gen_ai.usage.input_tokens", input_tokens(call));
  put(out, "gen_ai.usage.output_tokens", output_tokens(call));
  put(out, "gen_ai.usage.cache_read.input_tokens", usage.cache_read);
  put(out, names(options.conventions).cache_write.data(), usage.cache_write);
  put(out, "gen_ai.usage.reasoning.output_tokens", usage.reasoning);
  if (options.conventions == Conventions::kLatest) {
    put(out, "gen_ai.usage.audio.input_tokens", usage.input_audio);
    put(out, "gen_ai.usage.audio.output_tokens", usage.output_audio);
    put(out, "gen_ai.usage.image.input_tokens", usage.input_image);
    put(out, "gen_ai.usage.image.output_tokens", usage.output_image);
  }
  if (!usage.empty() && usage.source == Usage::Source::kEstimated)
    out["llmtap.usage.estimated"] = true;
  if (call.cost) out["gen_ai.usage.cost"] = call.cost->total_usd;
}

void put_observed(const CallRecord& call, Value& out) {
  put(out, "http.response.status_code", call.http_status);
  if (call.sdk.retry_count.value_or(0) > 0)
    out["http.request.resend_count"] = *call.sdk.retry_count;
  put(out, "user.id", call.user_id);
  put(out, "llmtap.request_id", call.request_id);
  if (call.end != End::kComplete) out["llmtap.end"] = name(call.end);
  if (call.partial) out["llmtap.bytes_lost"] = call.bytes_lost;
}

Value attributes_of(const CallRecord& call, const MapOptions& options) {
  Value out = Value::object();
  put_identity(call, out);
  put_request_params(call, options.conventions, out);
  put_response(call, out);
  if (!is_proxy_hop(call)) put_usage(call, options, out);
  put_observed(call, out);
  return out;
}

// `as_text`: a span's attribute is a JSON text, for back ends that take no structures there.
void put_content(const CallRecord& call, bool as_text, std::size_t most_bytes, Value& out) {
  const std::pair<const char*, Value> texts[] = {
      {"gen_ai.system_instructions", system_instructions(call)},
      {"gen_ai.input.messages", input_messages(call)},
      {"gen_ai.output.messages", output_messages(call)},
      {"gen_ai.tool.definitions", tool_definitions(call)},
  };
  std::size_t bytes = 0;
  for (const auto& [key, value] : texts) {
    if (value.empty()) continue;
    std::string text = value.dump(-1, ' ', false, Value::error_handler_t::replace);
    bytes += text.size();
    if (bytes > most_bytes) {
      out["llmtap.content_dropped"] = true;
    } else if (as_text) {
      out[key] = std::move(text);
    } else {
      out[key] = value;
    }
  }
}

TimeNs end_of(const CallRecord& call) {
  return std::max(call.timing.end, call.timing.request_start);
}

Value exception_of(const CallRecord& call) {
  return {{"exception.type", error_type(call)}, {"exception.message", error_text(call)}};
}

}  // namespace

std::optional<std::uint64_t> input_tokens(const CallRecord& call) {
  if (is_proxy_hop(call)) return std::nullopt;
  auto tokens = call.usage.input();
  if (tokens && call.usage.tool_prompt) *tokens += *call.usage.tool_prompt;
  return tokens;
}

std::optional<std::uint64_t> output_tokens(const CallRecord& call) {
  if (is_proxy_hop(call)) return std::nullopt;
  return call.usage.output();
}

std::optional<double> time_to_first_chunk(const CallRecord& call) {
  const auto& timing = call.timing;
  if (!call.streamed || !timing.first_token || *timing.first_token < timing.request_start)
    return {};
  return static_cast<double>(*timing.first_token - timing.request_start) / 1e9;
}

Span make_span(const CallRecord& call, const MapOptions& options) {
  const TraceIds ids = trace_ids(call);
  Span span;
  span.trace_id = ids.trace_id;
  span.span_id = ids.span_id;
  span.parent_span_id = ids.parent_span_id;
  span.trace_state = ids.trace_state;
  span.flags = ids.flags;
  span.name = operation_name(call);
  const auto& model = call.model_requested ? call.model_requested : call.model_served;
  if (model && !model->empty()) span.name += ' ' + *model;
  span.kind = call.observed == ObservedEnd::kServer ? SpanKind::kServer : SpanKind::kClient;
  span.start = call.timing.request_start;
  span.end = end_of(call);
  span.attributes = attributes_of(call, options);
  if (options.span_content) put_content(call, true, options.most_bytes, span.attributes);
  if (!error_type(call).empty()) {
    span.status = {StatusCode::kError, error_text(call)};
    span.events.push_back({span.end, "exception", exception_of(call)});
  }
  return span;
}

std::vector<LogRecord> make_events(const CallRecord& call, const MapOptions& options) {
  const TraceIds ids = trace_ids(call);
  LogRecord event;
  event.time = event.observed_time = end_of(call);
  event.trace_id = ids.trace_id;
  event.span_id = ids.span_id;
  event.flags = ids.flags & 0xff;
  std::vector<LogRecord> events;
  event.severity = kInfo;
  event.severity_text = "INFO";
  event.event_name = "gen_ai.client.inference.operation.details";
  event.attributes = attributes_of(call, options);
  if (options.event_content) put_content(call, false, options.most_bytes, event.attributes);
  events.push_back(event);
  if (!error_type(call).empty()) {
    event.severity = kWarn;
    event.severity_text = "WARN";
    event.event_name = "gen_ai.client.operation.exception";
    event.attributes = exception_of(call);
    events.push_back(std::move(event));
  }
  return events;
}

}  // namespace llmtap::otlp
