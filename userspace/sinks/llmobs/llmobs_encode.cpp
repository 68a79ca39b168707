// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/llmobs/llmobs_encode.h"

#include <algorithm>
#include <cstdio>

#include "userspace/sinks/llmobs/agent_steps.h"
#include "userspace/sinks/llmobs/error_map.h"
#include "userspace/sinks/llmobs/tags.h"
#include "userspace/sinks/llmobs/trace_join.h"

namespace llmtap::llmobs {
namespace {

constexpr int kMaxDepth = 12;  // the backend drops spans that nest deeper
constexpr std::string_view kDropped =
    "[This value has been dropped because this span's size exceeds the 5MB size limit.]";

// Containers below the limit become their JSON text.
void limit_depth(Value& value, int depth) {
  if (!value.is_structured()) return;
  if (depth >= kMaxDepth) {
    value = python_json(value.dump(-1, ' ', false, Value::error_handler_t::replace));
    return;
  }
  for (auto& member : value) limit_depth(member, depth + 1);
}

// `"1"`, `"0.25"`: at most 6 decimals, no trailing zeros.
std::string rate_text(double rate) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6f", rate);
  std::string out(text);
  out.erase(out.find_last_not_of('0') + 1);
  if (out.ends_with('.')) out.pop_back();
  return out;
}

bool sampled(std::uint64_t apm_low, double rate) {
  if (rate >= 1) return true;
  const double limit = rate * 18446744073709551615.0;
  return static_cast<double>(apm_low * 1111111111111111111ULL) <= limit;
}

Value dd_block(const TraceIds& ids, const EncodeOptions& options) {
  Value dd = {
      {"span_id", ids.span_id}, {"trace_id", ids.apm_trace_id}, {"apm_trace_id", ids.apm_trace_id}};
  if (ids.parent_id != "undefined") {
    // A child inherits; what the parent did not propagate is left out.
    if (!ids.sample_rate.empty()) dd["sample_rate"] = ids.sample_rate;
    if (!ids.sampling_decision.empty()) dd["sampling_decision"] = ids.sampling_decision;
  } else {
    dd["sample_rate"] = rate_text(options.sample_rate);
    dd["sampling_decision"] = sampled(ids.apm_low, options.sample_rate) ? "1" : "0";
  }
  return dd;
}

// A call that only goes on to the real provider, which is observed as well (D22): its record is
// marked by enrichment with vendor `proxy_hop`.
bool proxy_hop(const CallRecord& call) { return vendor_value(call, "proxy_hop").has_value(); }

// What the SDK has an integration for (contract 5.0, 5.1, 5.6). Of other calls the propagated
// parent is not their own span but the one around them.
bool traced_by_sdk(const CallRecord& call) {
  const std::string_view integration = shape_for(call).integration;
  switch (call.operation) {
    case Operation::kChat:
    case Operation::kTextCompletion:
    case Operation::kAgent:
      return integration != kGeneralShape.integration;
    case Operation::kEmbeddings:
      return integration != kGeneralShape.integration && integration != "bedrock";
    case Operation::kRerank:
      return integration == "bedrock";
    default:
      return false;
  }
}

Value as_text(const Value& io) {
  if (io.contains("messages")) return {{"value", io["messages"].dump()}};
  return io;
}

Value meta(const CallRecord& call, const Shape& shape, std::string_view kind, bool error,
           const EncodeOptions& options) {
  Value meta = {{"span", {{"kind", kind}}}, {"metadata", shape.metadata(call)}};
  if (kind == "llm" || kind == "embedding") {
    meta["model_name"] = shape.model_name(call);
    meta["model_provider"] = shape.model_provider(call);
  }
  if (error) meta["error"] = error_value(call, shape);
  if (!options.content) return meta;

  Value input = shape.input(call);
  Value output = Value::object();
  if (error && call.output.empty()) {
    if (span_kind(call.operation) == "llm") {
      output["messages"] = Value::array({message(shape.empty_role, "")});
    }
  } else {
    output = shape.output(call);
  }
  if (kind == "workflow") {
    input = as_text(input);
    output = as_text(output);
  }
  if (!input.empty()) meta["input"] = std::move(input);
  if (!output.empty()) meta["output"] = std::move(output);
  if (kind == "llm") {
    if (Value tools = shape.tools(call); !tools.empty())
      meta["tool_definitions"] = std::move(tools);
  }
  return meta;
}

Value metrics(const CallRecord& call, const Shape& shape, std::string_view kind, bool error) {
  if (kind == "workflow") return Value::object();
  Value metrics = error ? Value::object() : shape.metrics(call);
  if (call.streamed && call.timing.first_token && !error) {
    metrics["time_to_first_token"] =
        static_cast<double>(*call.timing.first_token - call.timing.request_start) / 1e9;
  }
  return metrics;
}

}  // namespace

std::string event_json(const Value& event) {
  return event.dump(-1, ' ', true, Value::error_handler_t::replace);
}

Value encode_event(const CallRecord& call, const EncodeOptions& options) {
  const Shape& shape = shape_for(call);
  const bool error = failed(call);
  const std::string_view kind = proxy_hop(call)         ? "workflow"
                                : shape.kind != nullptr ? shape.kind(call)
                                                        : span_kind(call.operation);
  const TraceIds ids = join_trace(call);
  const std::string& session = call.session_id.empty() ? ids.session_id : call.session_id;

  Value event = {{"trace_id", ids.trace_id},
                 {"span_id", ids.span_id},
                 {"parent_id", ids.parent_id},
                 {"name", shape.name(call)},
                 {"start_ns", call.timing.request_start},
                 {"duration",
                  std::max(call.timing.end, call.timing.request_start) - call.timing.request_start},
                 {"status", error ? "error" : "ok"},
                 {"meta", meta(call, shape, kind, error, options)},
                 {"metrics", metrics(call, shape, kind, error)},
                 {"tags", tags(call, shape, ids, error, options)},
                 {"_dd", dd_block(ids, options)}};
  if (!session.empty()) event["session_id"] = session;
  limit_depth(event["meta"], 0);
  if (event_json(event).size() >= options.event_bytes) {
    auto& io = event["meta"];
    if (io.contains("input")) io["input"] = {{"value", kDropped}};
    if (io.contains("output")) io["output"] = {{"value", kDropped}};
    event["collection_errors"] = Value::array({"dropped_io"});
    // Tool schemas alone can exceed the limit too.
    if (event_json(event).size() >= options.event_bytes) io.erase("tool_definitions");
    if (event_json(event).size() >= options.event_bytes) io["metadata"] = Value::object();
  }
  return event;
}

std::vector<Value> encode_events(const CallRecord& call, const EncodeOptions& options) {
  Value root = encode_event(call, options);
  std::vector<Value> events = agent_steps(call, root);
  for (Value& step : events) {
    Value& meta = step["meta"];
    if (!options.content) {
      for (const auto* texts : {"input", "output"}) meta.erase(texts);
      meta["metadata"].erase("reasoningText");
    }
    limit_depth(meta, 0);
  }
  events.insert(events.begin(), std::move(root));
  return events;
}

std::string envelope_json(const Value& event, const EncodeOptions& options) {
  std::string out = "{\"_dd.stage\": \"raw\", \"_dd.tracer_version\": ";
  out += Value(options.version).dump(-1, ' ', true, Value::error_handler_t::replace);
  out += ", \"event_type\": \"span\", \"spans\": [";
  out += event_json(event);
  out += "]}";
  return out;
}

bool reported_by_sdk(const CallRecord& call) {
  if (!call.process.ddtrace_loaded || !traced_by_sdk(call)) return false;
  const std::string parent = propagated(call, "llmobs_parent_id");
  return !parent.empty() &&
         std::all_of(parent.begin(), parent.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace llmtap::llmobs
