// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/destinations.h"

#include <unistd.h>

#include <array>
#include <string_view>
#include <thread>
#include <utility>

#include "userspace/app/content_rules.h"
#include "userspace/app/destinations_otlp.h"
#include "userspace/base/log.h"
#include "userspace/sinks/eval_writer.h"
#include "userspace/sinks/line_writer.h"
#include "userspace/sinks/llmobs/llmobs_encode.h"
#include "userspace/sinks/llmobs_exporter.h"
#include "userspace/sinks/store_sink.h"

namespace llmtap {
namespace {

constexpr std::size_t kQueued = 8192;

std::optional<std::string> llmobs_line(const CallRecord& call) {
  std::string lines;
  for (const auto& event : llmobs::encode_events(call, {})) {
    if (!lines.empty()) lines += '\n';
    lines += llmobs::event_json(event);
  }
  return lines;
}

// A spool that cannot be had costs safety, not service.
std::unique_ptr<Spool> open_spool(const DeliveryConfig& config, const std::string& destination) {
  const std::string directory =
      config.spool_dir.empty() ? "" : config.spool_dir + '/' + destination;
  auto spool = Spool::open(directory, config.spool_max_bytes);
  if (spool) return std::move(*spool);
  log_warning("spool: " + spool.error().message + "; unsent records are kept in memory only");
  return std::move(Spool::open("", config.spool_max_bytes).value());
}

using Opened = Result<std::unique_ptr<RecordWriter>>;

Opened open_store(const Config& config) {
  return open_store_writer(config.store.path, {config.store.keep, config.store.max_bytes});
}

Opened open_jsonl(const Config& config) {
  return open_line_writer("jsonl", config.jsonl.path, llmobs_line);
}

LlmobsTarget llmobs_target(const DatadogConfig& datadog) {
  return {datadog.site,      datadog.api_key,         datadog.agentless,
          datadog.agent_url, datadog.override_origin, datadog.report_sdk_calls};
}

Opened open_evaluations(const Config& config) {
  std::vector<EvalRule> rules;
  for (const auto& row : config.evaluations) {
    auto when = parse_filter(row.when);
    auto only = parse_filter(row.only);
    if (!when || !only) return (when ? only : when).error();
    rules.push_back({row.label, std::move(*when), std::move(*only), row.value, row.assessment});
  }
  return std::unique_ptr<RecordWriter>(std::make_unique<EvalWriter>(
      std::move(rules), llmobs_target(config.datadog), open_spool(config.delivery, "evaluations")));
}

Opened open_datadog(const Config& config) {
  LlmobsTarget target = llmobs_target(config.datadog);
  return std::unique_ptr<RecordWriter>(
      std::make_unique<LlmobsWriter>(std::move(target), open_spool(config.delivery, "datadog")));
}

std::string datadog_line(const Config& config) {
  const auto& datadog = config.datadog;
  std::string line =
      "Datadog LLMObs: " + (datadog.agentless.value_or(false) ? "intake of " + datadog.site
                                                              : "Agent at " + datadog.agent_url);
  if (!datadog.override_origin.empty()) line += ", at " + datadog.override_origin;
  return line;
}

bool terminal_on(const Config& config) {
  const bool stdout_free = config.jsonl.path != "-";
  return config.terminal && stdout_free && ::isatty(STDOUT_FILENO) == 1;
}

template <otlp::Signal kSignal>
bool otlp_on(const Config& config) {
  return otlp_target(config.otlp, kSignal).has_value();
}

template <otlp::Signal kSignal>
Opened open_otlp_row(const Config& config) {
  constexpr std::array kSpools = {"otlp-traces", "otlp-metrics", "otlp-logs"};
  return open_otlp(config, kSignal,
                   open_spool(config.delivery, kSpools[static_cast<std::size_t>(kSignal)]));
}

template <otlp::Signal kSignal>
std::string otlp_row_line(const Config& config) {
  return otlp_line(config, kSignal);
}

bool same_otlp(const Config& a, const Config& b) {
  return a.otlp == b.otlp && a.otlp_content == b.otlp_content && a.delivery == b.delivery;
}

Prepare prepare_otlp(const Config& config) {
  return content_rules(config, "otlp", config.otlp_content);
}

bool same_sentry(const Config& a, const Config& b) {
  return a.sentry == b.sentry && a.sentry_content == b.sentry_content &&
         a.otlp.resource_attributes == b.otlp.resource_attributes && a.delivery == b.delivery;
}

// One destination. A further one is a row here, a section in config.h and its keys.
struct Row {
  std::string_view name;
  bool (*on)(const Config&);
  // Whether the writer can stay when the configuration changes from one to the other.
  bool (*same)(const Config&, const Config&);
  Opened (*open)(const Config&);
  Prepare (*prepare)(const Config&);
  std::string (*line)(const Config&);  // empty: nothing to say
};

constexpr std::array kRows = {
    Row{"store", [](const Config& c) { return c.store.enabled; },
        [](const Config& a, const Config& b) { return a.store == b.store; }, open_store,
        [](const Config& c) { return content_rules(c, "store", c.store.content); },
        [](const Config& c) { return "store: " + c.store.path; }},
    Row{"jsonl", [](const Config& c) { return !c.jsonl.path.empty(); },
        [](const Config& a, const Config& b) { return a.jsonl == b.jsonl; }, open_jsonl,
        [](const Config& c) { return content_rules(c, "jsonl", c.jsonl.content); },
        [](const Config& c) { return "JSON lines: " + c.jsonl.path; }},
    Row{"datadog", [](const Config& c) { return c.datadog.enabled.value_or(false); },
        [](const Config& a, const Config& b) {
          return a.datadog == b.datadog && a.delivery == b.delivery;
        },
        open_datadog,
        [](const Config& c) { return content_rules(c, "datadog", c.datadog.content); },
        datadog_line},
    Row{"otlp-traces", otlp_on<otlp::Signal::kTraces>, same_otlp,
        open_otlp_row<otlp::Signal::kTraces>, prepare_otlp, otlp_row_line<otlp::Signal::kTraces>},
    // Figures only, and of every call: neither content policy nor sampling concerns it.
    Row{"otlp-metrics", otlp_on<otlp::Signal::kMetrics>, same_otlp,
        open_otlp_row<otlp::Signal::kMetrics>, [](const Config&) { return Prepare{}; },
        otlp_row_line<otlp::Signal::kMetrics>},
    Row{"otlp-logs", otlp_on<otlp::Signal::kLogs>, same_otlp, open_otlp_row<otlp::Signal::kLogs>,
        prepare_otlp, otlp_row_line<otlp::Signal::kLogs>},
    Row{"sentry", [](const Config& c) { return !c.sentry.dsn.empty(); }, same_sentry,
        [](const Config& c) { return open_sentry(c, open_spool(c.delivery, "sentry")); },
        [](const Config& c) { return content_rules(c, "sentry", c.sentry_content); }, sentry_line},
    // Sees what the spans' destination sees: no metric without its span.
    Row{"evaluations",
        [](const Config& c) { return c.datadog.enabled.value_or(false) && !c.evaluations.empty(); },
        [](const Config& a, const Config& b) {
          return a.datadog == b.datadog && a.delivery == b.delivery &&
                 a.evaluations == b.evaluations;
        },
        open_evaluations,
        [](const Config& c) { return content_rules(c, "datadog", ContentPolicy::kFull); },
        [](const Config& c) { return std::to_string(c.evaluations.size()) + " evaluation rules"; }},
    Row{"terminal", terminal_on, [](const Config&, const Config&) { return true; },
        [](const Config&) -> Opened { return make_terminal_writer(); },
        [](const Config&) { return Prepare{}; }, [](const Config&) { return std::string(); }},
};

Result<std::unique_ptr<QueuedSink>> open_sink(const Row& row, const Config& config) {
  auto writer = row.open(config);
  if (!writer) return writer.error();
  return std::make_unique<QueuedSink>(std::move(*writer), kQueued, row.prepare(config));
}

OpenWriter opener(const Row& row, const Config& config) {
  if (!row.on(config)) return []() -> Opened { return std::unique_ptr<RecordWriter>(); };
  return [&row, config] { return row.open(config); };
}

QueuedSink::Change change(const Row& row, const Config& from, const Config& to) {
  QueuedSink::Change change;
  change.prepare = row.prepare(to);
  if (row.on(from) == row.on(to) && row.same(from, to)) return change;
  change.open = opener(row, to);
  change.back = opener(row, from);
  change.flush_deadline = from.delivery.flush_deadline;
  return change;
}

}  // namespace

Result<std::unique_ptr<Destinations>> Destinations::open(const Config& config) {
  auto out = std::make_unique<Destinations>();
  out->config_ = config;
  for (const auto& row : kRows) {
    auto& sink = out->sinks_.emplace_back();
    if (!row.on(config)) continue;
    auto opened = open_sink(row, config);
    if (!opened) return opened.error();
    sink = std::move(*opened);
  }
  return out;
}

void Destinations::reload(const Config& config) {
  sinks_.resize(kRows.size());
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    const Row& row = kRows[i];
    if (sinks_[i]) {
      sinks_[i]->change(change(row, config_, config));
    } else if (row.on(config)) {
      auto opened = open_sink(row, config);
      if (!opened) {
        log_error(std::string(row.name) + ": " + opened.error().message);
        continue;
      }
      const std::lock_guard lock(mutex_);
      sinks_[i] = std::move(*opened);
    }
  }
  config_ = config;
}

void Destinations::accept(const SharedCall& call) {
  for (const auto& sink : sinks_) {
    if (sink) sink->accept(call);
  }
  for (const auto& sink : others_) sink->accept(call);
}

void Destinations::flush(std::chrono::milliseconds deadline) {
  std::vector<std::thread> flushes;
  for (const auto& sink : sinks_) {
    if (sink) flushes.emplace_back([&sink, deadline] { sink->flush(deadline); });
  }
  for (const auto& sink : others_) {
    flushes.emplace_back([&sink, deadline] { sink->flush(deadline); });
  }
  for (auto& thread : flushes) thread.join();
}

std::vector<std::string> Destinations::lines() const { return describe_destinations(config_); }

std::vector<SinkCounts> Destinations::counts() const {
  std::vector<SinkCounts> counts;
  const std::lock_guard lock(mutex_);
  for (const auto& sink : sinks_) {
    if (sink) counts.push_back(sink->counts());
  }
  for (const auto& sink : others_) counts.push_back(sink->counts());
  return counts;
}

std::vector<std::string> describe_destinations(const Config& config) {
  std::vector<std::string> lines;
  for (const auto& row : kRows) {
    if (!row.on(config)) continue;
    if (auto line = row.line(config); !line.empty()) lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace llmtap
