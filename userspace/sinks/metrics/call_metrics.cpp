// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/metrics/call_metrics.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "userspace/base/call_summary.h"

namespace llmtap {
namespace {

// Seconds. Whole calls: from a cached embedding to an agent's answer of ten minutes.
constexpr std::array kDurationEdges = {0.05, 0.1,  0.25, 0.5,  1.0,   2.5,   5.0,
                                       10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0};
constexpr std::array kFirstTokenEdges = {0.05, 0.1, 0.2, 0.3, 0.5,  0.75, 1.0,
                                         1.5,  2.0, 3.0, 5.0, 10.0, 20.0, 60.0};
constexpr std::array kGapEdges = {0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.03,
                                  0.05,  0.075,  0.1,   0.2,  0.5,   1.0};

double seconds(std::uint64_t ns) { return static_cast<double>(ns) / 1e9; }

// Mean time between output tokens: first to last content, over the tokens between them.
std::optional<double> token_gap(const CallRecord& call) {
  const auto& timing = call.timing;
  const auto tokens = call.usage.output();
  if (!call.streamed || !tokens || *tokens < 2) return std::nullopt;
  if (!timing.first_token || !timing.last_token || *timing.last_token <= *timing.first_token)
    return std::nullopt;
  return seconds(*timing.last_token - *timing.first_token) / static_cast<double>(*tokens - 1);
}

// A gateway's call that another one stands behind (userspace/enrich/proxy_hops.h): the tokens are
// that one's.
bool is_hop(const CallRecord& call) {
  return std::any_of(call.vendor.begin(), call.vendor.end(),
                     [](const Param& param) { return param.name == "proxy_hop"; });
}

Labels labels_of(const LabelSet& set) {
  return {{"provider", set.provider}, {"model", set.model}, {"service", set.service}};
}

Labels with(Labels labels, std::initializer_list<Label> more) {
  labels.insert(labels.end(), more);
  return labels;
}

std::string_view status(bool ok) { return ok ? "ok" : "error"; }

std::uint64_t count_of(const Histogram& histogram) {
  std::uint64_t sum = 0;
  for (const auto count : histogram.counts()) sum += count;
  return sum;
}

}  // namespace

CallMetrics::Latency::Latency() : duration(kDurationEdges), first_token(kFirstTokenEdges) {}
CallMetrics::Series::Series() : output_token_gap(kGapEdges) {}

void CallMetrics::add(const CallRecord& call) {
  const CallSummary summary = summarize(call);
  auto& series = series_[label_sets_.admit({call.provider, summary.model, summary.service})];
  auto& latency = series.by_ok[summary.ok()];
  latency.duration.observe(seconds(summary.duration_ns));
  if (summary.ttft_ns) latency.first_token.observe(seconds(*summary.ttft_ns));
  if (!summary.ok()) {
    const auto http = call.http_status ? std::to_string(*call.http_status) : std::string();
    ++series.errors[{summary.error_class, http}];
  }
  if (const auto gap = token_gap(call)) series.output_token_gap.observe(*gap);
  const bool hop = is_hop(call);
  if (!hop) add_tokens(series, call);
  // What a provider says may be anything, and a counter only rises.
  const bool costs = call.cost && std::isfinite(call.cost->total_usd) && call.cost->total_usd >= 0;
  if (costs) {
    series.cost[call.cost->source == Cost::Source::kProvider ? "provider" : "table"] +=
        call.cost->total_usd;
  } else if (summary.ok() && !hop) {
    ++series.without_cost;
  }
  if (call.sdk.retry_count.value_or(0) > 0) ++series.retries;
  if (call.partial) ++series.partial;
  add_rate_limits(series, call);
}

void CallMetrics::add_tokens(Series& series, const CallRecord& call) {
  const auto& usage = call.usage;
  const std::string_view source =
      usage.source == Usage::Source::kEstimated ? "estimated" : "provider";
  const std::pair<std::string_view, const std::optional<std::uint64_t>&> classes[] = {
      {"input_uncached", usage.input_uncached}, {"cache_read", usage.cache_read},
      {"cache_write", usage.cache_write},       {"tool_prompt", usage.tool_prompt},
      {"output_visible", usage.output_visible}, {"reasoning", usage.reasoning}};
  for (const auto& [name, count] : classes) {
    if (count) series.tokens[{name, source}] += *count;
  }
}

void CallMetrics::add_rate_limits(Series& series, const CallRecord& call) {
  for (const auto& limit : call.rate_limits) {
    const auto name = label_text(limit.name);
    const auto known = series.rate_limits.find(name);
    if (known != series.rate_limits.end()) {
      known->second = limit;
    } else if (series.rate_limits.size() < kRateLimits) {
      series.rate_limits.emplace(name, limit);
    }
  }
}

template <class Each>
void CallMetrics::each_family(Exposition& out, std::string_view name, std::string_view type,
                              std::string_view help, Each each) const {
  out.family(name, type, help);
  for (const auto& [set, series] : series_) each(labels_of(set), series);
}

void CallMetrics::write(Exposition& out) const {
  each_family(out, "llmtap_calls_total", "counter", "LLM calls that ended, by outcome.",
              [&](const Labels& labels, const Series& s) {
                for (const auto& [ok, latency] : s.by_ok)
                  out.sample(with(labels, {{"status", status(ok)}}),
                             static_cast<double>(count_of(latency.duration)));
              });
  each_family(out, "llmtap_call_errors_total", "counter",
              "Calls that failed, by class of error and HTTP status (empty: no answer).",
              [&](const Labels& labels, const Series& s) {
                for (const auto& [key, count] : s.errors)
                  out.sample(with(labels, {{"class", key.first}, {"http_status", key.second}}),
                             static_cast<double>(count));
              });
  each_family(out, "llmtap_call_duration_seconds", "histogram",
              "First byte of the request to last byte of the answer.",
              [&](const Labels& labels, const Series& s) {
                for (const auto& [ok, latency] : s.by_ok)
                  out.histogram(with(labels, {{"status", status(ok)}}), latency.duration);
              });
  each_family(out, "llmtap_call_time_to_first_token_seconds", "histogram",
              "First byte of the request to the first content of a streamed answer.",
              [&](const Labels& labels, const Series& s) {
                for (const auto& [ok, latency] : s.by_ok) {
                  if (count_of(latency.first_token) == 0) continue;
                  out.histogram(with(labels, {{"status", status(ok)}}), latency.first_token);
                }
              });
  each_family(out, "llmtap_call_output_token_gap_seconds", "histogram",
              "Mean time between the output tokens of a streamed call.",
              [&](const Labels& labels, const Series& s) {
                if (count_of(s.output_token_gap) > 0) out.histogram(labels, s.output_token_gap);
              });
  each_family(out, "llmtap_tokens_total", "counter",
              "Tokens by class; the classes are disjoint. source=estimated: by llmtap.",
              [&](const Labels& labels, const Series& s) {
                for (const auto& [key, count] : s.tokens)
                  out.sample(with(labels, {{"class", key.first}, {"source", key.second}}),
                             static_cast<double>(count));
              });
  write_money_and_limits(out);
  out.family("llmtap_metrics_overflow_total", "counter",
             "Calls counted under \"other\", by the label that has too many values.");
  for (std::size_t i = 0; i < static_cast<std::size_t>(LabelSets::Limit::kCount); ++i) {
    const auto limit = static_cast<LabelSets::Limit>(i);
    out.sample({{"label", name(limit)}}, static_cast<double>(label_sets_.overflows(limit)));
  }
}

void CallMetrics::write_money_and_limits(Exposition& out) const {
  each_family(out, "llmtap_cost_usd_total", "counter",
              "Cost of calls in US dollars; source=provider: as the provider said.",
              [&](const Labels& labels, const Series& s) {
                for (const auto& [source, usd] : s.cost)
                  out.sample(with(labels, {{"source", source}}), usd);
              });
  const auto counter = [&](std::string_view name, std::string_view help,
                           std::uint64_t Series::* count) {
    each_family(out, name, "counter", help, [&](const Labels& labels, const Series& s) {
      if (s.*count > 0) out.sample(labels, static_cast<double>(s.*count));
    });
  };
  counter("llmtap_calls_without_cost_total", "Calls without error whose cost is not known.",
          &Series::without_cost);
  counter("llmtap_call_retries_total", "Calls that their client marks as another attempt.",
          &Series::retries);
  counter("llmtap_calls_partial_total", "Calls of which llmtap lost or cut a part.",
          &Series::partial);
  const auto gauge = [&](std::string_view name, std::string_view help,
                         std::optional<double> RateLimit::* value) {
    each_family(out, name, "gauge", help, [&](const Labels& labels, const Series& s) {
      for (const auto& [limit, figures] : s.rate_limits) {
        if (figures.*value) out.sample(with(labels, {{"limit", limit}}), *(figures.*value));
      }
    });
  };
  gauge("llmtap_rate_limit", "The provider's limit, as its last answer said.", &RateLimit::limit);
  gauge("llmtap_rate_limit_remaining", "What was left of it, as the last answer said.",
        &RateLimit::remaining);
  gauge("llmtap_rate_limit_reset_seconds", "Until it is full again, as the last answer said.",
        &RateLimit::reset_s);
}

}  // namespace llmtap
