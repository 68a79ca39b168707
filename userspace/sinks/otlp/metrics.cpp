// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/otlp/metrics.h"

#include <algorithm>
#include <utility>

#include "userspace/base/utf8.h"
#include "userspace/sinks/otlp/encode.h"
#include "userspace/sinks/otlp/span_map.h"

namespace llmtap::otlp {
namespace {

using Bounds = std::vector<double>;

// 1, 4, 16, ... 4^13
Bounds token_bounds() {
  Bounds bounds;
  for (double edge = 1; bounds.size() < 14; edge *= 4) bounds.push_back(edge);
  return bounds;
}

// 0.01, 0.02, ... 81.92
Bounds duration_bounds() {
  Bounds bounds;
  for (int i = 0; i < 14; ++i) bounds.push_back(static_cast<double>(1 << i) / 100);
  return bounds;
}

Bounds first_token_bounds() {
  return {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10};
}

Bounds sum() { return {}; }

double seconds(TimeNs from, TimeNs to) {
  return to > from ? static_cast<double>(to - from) / 1e9 : 0;
}

Value metric_attributes(const CallRecord& call) {
  Value out = {{"gen_ai.operation.name", operation_name(call)},
               {"gen_ai.provider.name", provider_name(call)}};
  const auto put = [&out](const char* key, std::string value) {
    if (value.empty()) return;
    if (value.size() > MetricTable::kLongestValue) value.resize(MetricTable::kLongestValue);
    out[key] = valid_utf8(value);
  };
  put("gen_ai.request.model", call.model_requested.value_or(""));
  put("gen_ai.response.model", call.model_served.value_or(""));
  put("server.address", call.host);
  if (!call.host.empty()) out["server.port"] = call.port.value_or(443);
  put("error.type", error_type(call));
  return out;
}

bool is_inference(const CallRecord& call) { return call.operation != Operation::kEmbeddings; }

}  // namespace

struct MetricTable::Kind {
  std::string_view name;
  std::string_view unit;
  std::string_view description;
  Bounds (*bounds)();
};

const MetricTable::Kind MetricTable::kKinds[] = {
    {"gen_ai.client.token.usage", "{token}", "Tokens used", token_bounds},
    {"gen_ai.client.operation.duration", "s", "Duration of a call", duration_bounds},
    {"gen_ai.client.operation.time_to_first_chunk", "s", "Time to the first chunk of a stream",
     duration_bounds},
    {"gen_ai.server.request.duration", "s", "Duration of a request at the model server",
     duration_bounds},
    {"gen_ai.server.time_to_first_token", "s", "Time to the first token at the model server",
     first_token_bounds},
    {"gen_ai.client.inference.duration", "s", "Duration of an inference", duration_bounds},
    {"gen_ai.client.inference.time_to_first_chunk", "s", "Time to the first chunk of a stream",
     duration_bounds},
    {"gen_ai.client.inference.operation.input_tokens", "{token}", "Input tokens of a call",
     token_bounds},
    {"gen_ai.client.inference.operation.output_tokens", "{token}", "Output tokens of a call",
     token_bounds},
    {"gen_ai.client.inference.usage.input_tokens", "{token}", "Input tokens used", sum},
    {"gen_ai.client.inference.usage.output_tokens", "{token}", "Output tokens used", sum},
    {"gen_ai.client.inference.usage.cache_read.input_tokens", "{token}",
     "Input tokens read from a cache", sum},
    {"gen_ai.client.inference.usage.cache_write.input_tokens", "{token}",
     "Input tokens written to a cache", sum},
    {"gen_ai.client.inference.usage.reasoning.output_tokens", "{token}",
     "Output tokens of reasoning", sum},
    {"gen_ai.client.embeddings.duration", "s", "Duration of an embedding", duration_bounds},
    {"gen_ai.client.embeddings.operation.input_tokens", "{token}", "Input tokens of an embedding",
     token_bounds},
};

MetricTable::MetricTable(MetricOptions options, Host host, TimeNs now)
    : options_(options), host_(std::move(host)), start_(now) {}

void MetricTable::add(const CallRecord& call) {
  const std::string resource = resource_text(call);
  const Value attributes = metric_attributes(call);
  add_times(call, resource, attributes);
  if (call.observed == ObservedEnd::kServer || is_proxy_hop(call)) return;
  if (call.usage.source == Usage::Source::kEstimated && !options_.estimated_tokens) return;
  if (options_.conventions == Conventions::kLatest) {
    add_latest_tokens(call, resource, attributes);
  } else {
    add_tokens(call, resource, attributes);
  }
}

// The variables of a process may hold any bytes.
std::string MetricTable::resource_text(const CallRecord& call) const {
  return service_resource(call, host_).dump(-1, ' ', false, Value::error_handler_t::replace);
}

void MetricTable::add_times(const CallRecord& call, const std::string& resource,
                            const Value& attributes) {
  const double duration = seconds(call.timing.request_start, call.timing.end);
  const auto first = time_to_first_chunk(call);
  if (call.observed == ObservedEnd::kServer) {
    add_value("gen_ai.server.request.duration", resource, attributes, duration);
    if (first) add_value("gen_ai.server.time_to_first_token", resource, attributes, *first);
    return;
  }
  const bool latest = options_.conventions == Conventions::kLatest;
  if (latest && !is_inference(call)) {
    add_value("gen_ai.client.embeddings.duration", resource, attributes, duration);
    return;
  }
  add_value(latest ? "gen_ai.client.inference.duration" : "gen_ai.client.operation.duration",
            resource, attributes, duration);
  if (first) {
    add_value(latest ? "gen_ai.client.inference.time_to_first_chunk"
                     : "gen_ai.client.operation.time_to_first_chunk",
              resource, attributes, *first);
  }
}

void MetricTable::add_tokens(const CallRecord& call, const std::string& resource,
                             const Value& attributes) {
  const auto add = [&](const char* type, const std::optional<std::uint64_t>& tokens) {
    if (!tokens) return;
    Value typed = attributes;
    typed["gen_ai.token.type"] = type;
    add_value("gen_ai.client.token.usage", resource, typed, static_cast<double>(*tokens));
  };
  add("input", input_tokens(call));
  add("output", output_tokens(call));
}

void MetricTable::add_latest_tokens(const CallRecord& call, const std::string& resource,
                                    const Value& attributes) {
  using Tokens = std::optional<std::uint64_t>;
  const auto& usage = call.usage;
  const auto input = input_tokens(call), output = output_tokens(call);
  const auto add = [&](std::string_view name, const Tokens& tokens) {
    if (tokens) add_value(name, resource, attributes, static_cast<double>(*tokens));
  };
  if (!is_inference(call)) {
    add("gen_ai.client.embeddings.operation.input_tokens", input);
    return;
  }
  add("gen_ai.client.inference.operation.input_tokens", input);
  add("gen_ai.client.inference.operation.output_tokens", output);
  const auto counter = [&](std::string_view name, const char* modality, const Tokens& tokens) {
    if (!tokens || *tokens == 0) return;
    Value typed = attributes;
    typed["gen_ai.token.modality"] = modality;
    add_value(name, resource, typed, static_cast<double>(*tokens));
  };
  // What is said to be audio or image; the rest is text where there was a split, else unknown.
  const auto split = [&](std::string_view name, const Tokens& all, const Tokens& audio,
                         const Tokens& image) {
    if (!all) return;
    const auto special = std::min(*all, audio.value_or(0) + image.value_or(0));
    counter(name, "audio", audio);
    counter(name, "image", image);
    counter(name, audio || image ? "text" : "unknown", *all - special);
  };
  constexpr std::string_view kUsage = "gen_ai.client.inference.usage.";
  const auto named = [kUsage](const char* rest) { return std::string(kUsage) + rest; };
  split(named("input_tokens"), input, usage.input_audio, usage.input_image);
  split(named("output_tokens"), output, usage.output_audio, usage.output_image);
  counter(named("cache_read.input_tokens"), "unknown", usage.cache_read);
  counter(named("cache_write.input_tokens"), "unknown", usage.cache_write);
  counter(named("reasoning.output_tokens"), "unknown", usage.reasoning);
}

void MetricTable::add_value(std::string_view metric, const std::string& resource,
                            const Value& attributes, double value) {
  const Kind* const kind = std::find_if(std::begin(kKinds), std::end(kKinds),
                                        [metric](const Kind& k) { return k.name == metric; });
  Key key{resource, kind, attributes.dump()};
  auto found = series_.find(key);
  if (found == series_.end()) {
    Point fresh;
    fresh.attributes = attributes;
    if (series_.size() >= kMostSeries) {
      fresh.attributes = {{"otel.metric.overflow", true}};
      key = {resource_text(CallRecord{}), kind, "overflow"};
    }
    fresh.start = start_;
    fresh.min = fresh.max = value;
    const auto bounds = kind->bounds();
    if (!bounds.empty()) fresh.buckets.assign(bounds.size() + 1, 0);
    found = series_.emplace(std::move(key), std::move(fresh)).first;
  }
  Point& point = found->second;
  ++point.count;
  point.sum += value;
  point.min = std::min(point.min, value);
  point.max = std::max(point.max, value);
  const auto bounds = kind->bounds();
  if (bounds.empty()) return;
  // A bucket holds its upper edge.
  const auto edge = std::lower_bound(bounds.begin(), bounds.end(), value);
  ++point.buckets[static_cast<std::size_t>(edge - bounds.begin())];
}

std::vector<MetricTable::Group> MetricTable::collect(TimeNs now) {
  std::vector<Group> groups;
  const std::string* resource = nullptr;
  const Kind* kind = nullptr;
  for (const auto& [key, point] : series_) {
    if (resource == nullptr || *resource != key.resource) {
      groups.push_back({Value::parse(key.resource), {}});
      kind = nullptr;
    }
    resource = &key.resource;
    auto& metrics = groups.back().metrics;
    if (kind != key.kind) {
      kind = key.kind;
      metrics.push_back({std::string(kind->name),
                         std::string(kind->description),
                         std::string(kind->unit),
                         options_.temporality,
                         kind->bounds(),
                         {}});
    }
    metrics.back().points.push_back(point);
    metrics.back().points.back().time = now;
  }
  if (options_.temporality == Temporality::kDelta) {
    series_.clear();
    start_ = now;
  }
  return groups;
}

}  // namespace llmtap::otlp
