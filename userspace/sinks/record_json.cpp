// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/record_json.h"

#include "userspace/sinks/json_text.h"

namespace llmtap {
namespace {

using Out = nlohmann::ordered_json;

template <class T>
void put(Out& out, const char* key, const std::optional<T>& value) {
  if (value) out[key] = *value;
}

void put(Out& out, const char* key, const std::string& value) {
  if (!value.empty()) out[key] = value;
}

Out embedded(const std::string& text) { return json_or_text<Out>(text); }

std::string_view kind_name(PartKind kind) {
  switch (kind) {
    case PartKind::kText:
      return "text";
    case PartKind::kReasoning:
      return "reasoning";
    case PartKind::kRefusal:
      return "refusal";
    case PartKind::kToolCall:
      return "tool_call";
    case PartKind::kToolResult:
      return "tool_result";
    case PartKind::kImage:
      return "image";
    case PartKind::kAudio:
      return "audio";
    case PartKind::kVideo:
      return "video";
    case PartKind::kFile:
      return "file";
    case PartKind::kOther:
      return "other";
  }
  return "other";
}

Out part_json(const Part& part) {
  Out out = {{"kind", kind_name(part.kind)}};
  put(out, "wire_type", part.wire_type);
  const bool textual = part.kind == PartKind::kText || part.kind == PartKind::kReasoning ||
                       part.kind == PartKind::kRefusal || part.kind == PartKind::kToolResult;
  if (textual || !part.text.empty()) out["text"] = part.text;
  put(out, "tool_name", part.tool_name);
  put(out, "tool_id", part.tool_id);
  if (part.kind == PartKind::kToolCall) out["arguments"] = part.arguments;
  put(out, "media_type", part.media_type);
  put(out, "bytes", part.bytes);
  put(out, "reference", part.reference);
  if (!part.raw.empty()) out["raw"] = embedded(part.raw);
  return out;
}

Out messages_json(const std::vector<Message>& messages) {
  Out list = Out::array();
  for (const auto& message : messages) {
    Out out = {{"role", message.role}};
    put(out, "id", message.id);
    out["parts"] = Out::array();
    for (const auto& part : message.parts) out["parts"].push_back(part_json(part));
    put(out, "finish_reason", message.finish_reason);
    list.push_back(std::move(out));
  }
  return list;
}

Out tools_json(const std::vector<ToolDefinition>& tools) {
  Out list = Out::array();
  for (const auto& tool : tools) {
    Out out = {{"name", tool.name}};
    put(out, "description", tool.description);
    if (!tool.schema.empty()) out["schema"] = embedded(tool.schema);
    put(out, "type", tool.wire_type);
    if (tool.deferred) out["deferred"] = true;
    list.push_back(std::move(out));
  }
  return list;
}

Out params_json(const std::vector<Param>& params) {
  Out out = Out::object();
  for (const auto& param : params) out[param.name] = embedded(param.json);
  return out;
}

Out usage_json(const Usage& usage) {
  Out out = Out::object();
  put(out, "input_uncached", usage.input_uncached);
  put(out, "cache_read", usage.cache_read);
  put(out, "cache_write", usage.cache_write);
  put(out, "cache_write_5m", usage.cache_write_5m);
  put(out, "cache_write_1h", usage.cache_write_1h);
  put(out, "tool_prompt", usage.tool_prompt);
  put(out, "output_visible", usage.output_visible);
  put(out, "reasoning", usage.reasoning);
  put(out, "total_reported", usage.total_reported);
  put(out, "input_audio", usage.input_audio);
  put(out, "output_audio", usage.output_audio);
  put(out, "input_image", usage.input_image);
  put(out, "output_image", usage.output_image);
  put(out, "billable_characters", usage.billable_characters);
  put(out, "search_units", usage.search_units);
  put(out, "seconds", usage.seconds);
  put(out, "input", usage.input());
  put(out, "output", usage.output());
  if (!usage.empty()) {
    out["source"] = usage.source == Usage::Source::kEstimated ? "estimated" : "provider";
  }
  return out;
}

Out timing_json(const Timing& timing) {
  Out out = {{"request_start_ns", timing.request_start}};
  put(out, "request_end_ns", timing.request_end);
  put(out, "response_start_ns", timing.response_start);
  put(out, "first_token_ns", timing.first_token);
  put(out, "last_token_ns", timing.last_token);
  out["end_ns"] = timing.end;
  return out;
}

Out error_json(const CallError& error) {
  Out out = Out::object();
  put(out, "type", error.type);
  put(out, "code", error.code);
  put(out, "message", error.message);
  if (!error.body.empty()) out["body"] = embedded(error.body);
  if (error.in_stream) out["in_stream"] = true;
  return out;
}

Out limits_json(const std::vector<RateLimit>& limits) {
  Out list = Out::array();
  for (const auto& limit : limits) {
    Out out = {{"name", limit.name}};
    put(out, "limit", limit.limit);
    put(out, "remaining", limit.remaining);
    put(out, "reset_s", limit.reset_s);
    list.push_back(std::move(out));
  }
  return list;
}

Out headers_json(const Headers& headers) {
  Out list = Out::array();
  for (const auto& header : headers) list.push_back({header.name, header.value});
  return list;
}

Out sdk_json(const Sdk& sdk) {
  Out out = Out::object();
  put(out, "name", sdk.name);
  put(out, "version", sdk.version);
  put(out, "language", sdk.language);
  put(out, "retry_count", sdk.retry_count);
  return out;
}

Out trace_json(const TraceContext& trace) {
  Out out = Out::object();
  put(out, "traceparent", trace.traceparent);
  put(out, "tracestate", trace.tracestate);
  put(out, "datadog_trace_id", trace.datadog_trace_id);
  put(out, "datadog_parent_id", trace.datadog_parent_id);
  put(out, "datadog_sampling_priority", trace.datadog_sampling_priority);
  put(out, "datadog_tags", trace.datadog_tags);
  return out;
}

Out process_json(const ProcessInfo& process) {
  Out out = Out::object();
  if (process.pid == 0) return out;
  out["pid"] = process.pid;
  put(out, "service", process.service);
  put(out, "exe", process.exe);
  put(out, "comm", process.comm);
  if (!process.command_line.empty()) out["command_line"] = process.command_line;
  put(out, "container_id", process.container_id);
  put(out, "language", process.language);
  for (const auto& [key, value] : process.environment) out["environment"][key] = value;
  if (process.ddtrace_loaded) out["ddtrace_loaded"] = true;
  return out;
}

Out server_json(const ServerEnd& server) {
  Out out = {{"timing", timing_json(server.timing)}};
  if (auto process = process_json(server.process); !process.empty()) out["process"] = process;
  return out;
}

void put_filled(Out& out, const char* key, Out value) {
  if (!value.empty()) out[key] = std::move(value);
}

std::string_view protocol_name(Protocol protocol) {
  switch (protocol) {
    case Protocol::kHttp1:
      return "http/1.1";
    case Protocol::kHttp2:
      return "h2";
    case Protocol::kWebSocket:
      return "websocket";
  }
  return "http/1.1";
}

void put_identity(const CallRecord& call, Out& out) {
  put(out, "id", call.id);
  out["provider"] = call.provider;
  out["dialect"] = call.dialect;
  out["operation"] = name(call.operation);
  put(out, "model_requested", call.model_requested);
  put(out, "model_served", call.model_served);
  out["streamed"] = call.streamed;
  out["observed"] = call.observed == ObservedEnd::kClient ? "client" : "server";
  out["host"] = call.host;
  put(out, "port", call.port);
  out["method"] = call.method;
  out["path"] = call.path;
  out["protocol"] = protocol_name(call.protocol);
  put(out, "http_status", call.http_status);
  out["timing"] = timing_json(call.timing);
}

void put_content(const CallRecord& call, Out& out) {
  put_filled(out, "input", messages_json(call.input));
  put_filled(out, "output", messages_json(call.output));
  put_filled(out, "tools", tools_json(call.tools));
  if (!call.documents.empty()) out["documents"] = call.documents;
}

}  // namespace

nlohmann::ordered_json record_json(const CallRecord& call, const RecordJsonOptions& options) {
  Out out = Out::object();
  put_identity(call, out);
  put_filled(out, "params", params_json(call.params));
  if (options.content) put_content(call, out);
  put(out, "embedding_count", call.embedding_count);
  put(out, "embedding_size", call.embedding_size);
  put_filled(out, "usage", usage_json(call.usage));
  if (call.cost) {
    Out cost = {{"total_usd", call.cost->total_usd}};
    put(cost, "input_usd", call.cost->input_usd);
    put(cost, "output_usd", call.cost->output_usd);
    cost["source"] = call.cost->source == Cost::Source::kProvider ? "provider" : "table";
    out["cost"] = std::move(cost);
  }
  put(out, "finish_reason", call.finish_reason);
  if (call.error) out["error"] = error_json(*call.error);
  out["end"] = name(call.end);
  if (call.partial) out["partial"] = true;
  if (call.bytes_lost > 0) out["bytes_lost"] = call.bytes_lost;
  out["request_bytes"] = call.request_bytes;
  out["response_bytes"] = call.response_bytes;
  put(out, "response_id", call.response_id);
  put(out, "request_id", call.request_id);
  put_filled(out, "rate_limits", limits_json(call.rate_limits));
  put(out, "retry_after_s", call.retry_after_s);
  put_filled(out, "sdk", sdk_json(call.sdk));
  put(out, "session_id", call.session_id);
  put(out, "user_id", call.user_id);
  put_filled(out, "trace", trace_json(call.trace));
  put_filled(out, "vendor", params_json(call.vendor));
  put_filled(out, "process", process_json(call.process));
  if (call.socket) {
    out["local_address"] = to_string(call.socket->local);
    out["remote_address"] = to_string(call.socket->remote);
  }
  if (call.server) out["server"] = server_json(*call.server);
  if (options.headers) {
    out["request_headers"] = headers_json(call.request_headers);
    out["response_headers"] = headers_json(call.response_headers);
  }
  return out;
}

}  // namespace llmtap
