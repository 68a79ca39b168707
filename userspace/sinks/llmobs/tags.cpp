// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/llmobs/tags.h"

#include <map>

#include "userspace/sinks/llmobs/error_map.h"
#include "userspace/sinks/llmobs/estimate.h"
#include "userspace/sinks/llmobs/llmobs_encode.h"

namespace llmtap::llmobs {
namespace {

std::string environment(const CallRecord& call, std::string_view name) {
  for (const auto& [key, value] : call.process.environment) {
    if (key == name) return value;
  }
  return {};
}

// DD_TAGS: "k:v" pairs separated by commas or spaces.
void add_dd_tags(const std::string& text, std::map<std::string, std::string>& tags) {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto end = text.find_first_of(", ", at);
    const std::string pair = text.substr(at, end == std::string::npos ? end : end - at);
    const auto colon = pair.find(':');
    if (colon != std::string::npos && colon > 0)
      tags[pair.substr(0, colon)] = pair.substr(colon + 1);
    if (end == std::string::npos) break;
    at = end + 1;
  }
}

}  // namespace

// The process's own word, then what its tracer propagated, then what the process looks like.
std::string ml_app(const CallRecord& call, const TraceIds& ids) {
  if (!ids.ml_app.empty()) return ids.ml_app;
  for (const auto name : {"DD_LLMOBS_ML_APP", "DD_SERVICE"}) {
    if (auto value = environment(call, name); !value.empty()) return value;
  }
  return call.process.service.empty() ? "unnamed-ml-app" : call.process.service;
}

Value tags(const CallRecord& call, const Shape& shape, const TraceIds& ids, bool error,
           const EncodeOptions& options) {
  std::map<std::string, std::string> tags;
  add_dd_tags(environment(call, "DD_TAGS"), tags);
  const std::string app = ml_app(call, ids);
  const std::string service = environment(call, "DD_SERVICE");
  tags["version"] = environment(call, "DD_VERSION");
  tags["env"] = environment(call, "DD_ENV");
  tags["service"] = service.empty() ? call.process.service : service;
  tags["source"] = "integration";
  tags["integration"] = std::string(shape.integration);
  tags["ml_app"] = app;
  tags["agent_service"] = app;
  tags["ddtrace.version"] = options.version;
  tags["error"] = error ? "1" : "0";
  if (error) tags["error_type"] = error_type(call, shape);
  const std::string& language =
      call.process.language.empty() ? call.sdk.language : call.process.language;
  if (!language.empty()) tags["language"] = language;
  const std::string& session = call.session_id.empty() ? ids.session_id : call.session_id;
  if (!session.empty()) tags["session_id"] = session;
  if (vendor_value(call, "prompt_instructions")) {
    tags["prompt_tracking_instrumentation_method"] = "auto";
  }
  // llmtap's own (D2, D8, D13, D14): honest about where the span comes from.
  tags["instrumentation"] = "ebpf";
  const bool estimated = call.usage.source == Usage::Source::kEstimated ||
                         (shape.integration == "openai" && !error && estimate_tokens(call));
  if (estimated) tags["token_source"] = "estimated";
  if (call.sdk.retry_count.value_or(0) > 0) {
    tags["retry_attempt"] = std::to_string(*call.sdk.retry_count);
  }
  if (call.end != End::kComplete) tags["end"] = std::string(name(call.end));
  if (call.partial) tags["bytes_lost"] = std::to_string(call.bytes_lost);
  if (reported_by_sdk(call)) tags["reported_by"] = "sdk";
  if (call.observed == ObservedEnd::kServer) tags["observed"] = "server";
  if (!call.request_id.empty()) tags["request_id"] = call.request_id;
  if (!call.trace.datadog_parent_id.empty()) tags["dd.parent_id"] = call.trace.datadog_parent_id;

  Value list = Value::array();
  for (const auto& [key, value] : tags) list.push_back(key + ":" + value);
  return list;
}

}  // namespace llmtap::llmobs
