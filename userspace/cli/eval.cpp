// SPDX-License-Identifier: Apache-2.0
//
// `eval submit`: one evaluation metric to Datadog LLM Observability.
#include <CLI/CLI.hpp>
#include <charconv>
#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <utility>

#include "userspace/app/config.h"
#include "userspace/app/config_values.h"
#include "userspace/base/clock.h"
#include "userspace/cli/commands.h"
#include "userspace/sinks/eval_writer.h"

namespace llmtap {
namespace {

struct EvalOptions {
  std::string config;
  std::string span_id, trace_id, tag;
  std::string label, value, type, ml_app, assessment, reasoning, timeout = "10s";
  std::vector<std::string> tags;
  std::optional<std::int64_t> timestamp_ms;
};

constexpr const char* kExamples = R"(Examples:
  llmtap eval submit --label helpful --value true --ml-app shop \
      --tag request_id:req_01JM4P2W8ahN
  llmtap eval submit --label toxicity --value 0.02 --ml-app shop \
      --span-id 7294817263549182734 --assessment pass \
      --trace-id 68b0c1d2000000005a1f3c9e77aa0b11

Spans carry the provider's request id as the tag request_id, so apps that know
nothing of spans can join by it. The type follows from the value (true and
false, numbers, objects, else categorical). Goes through the Agent or straight,
as the spans do (DD_*, --config); ends with 0 once it is taken.)";

template <class T>
std::optional<T> number(const std::string& text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Status set_value(EvalMetric& metric, const EvalOptions& options) {
  const std::string& text = options.value;
  const auto score = number<double>(text);
  const bool flag = text == "true" || text == "false";
  const std::string type = !options.type.empty()   ? options.type
                           : flag                  ? "boolean"
                           : score                 ? "score"
                           : text.starts_with('{') ? "json"
                                                   : "categorical";
  if (type == "boolean" && !flag) return Error{"--value: expected true or false"};
  if (type == "score" && !score) return Error{"--value: expected a number"};
  if (type == "boolean") metric.value = text == "true";
  if (type == "score") metric.value = *score;
  if (type == "json") metric.value = EvalMetric::Json{text};
  if (type == "categorical") metric.value = text;
  return Unit{};
}

Result<EvalMetric> metric_of(const EvalOptions& options, const DatadogConfig& datadog) {
  EvalMetric metric;
  metric.span_id = options.span_id;
  metric.trace_id = options.trace_id;
  if (!options.tag.empty()) {
    const auto colon = options.tag.find(':');
    if (colon == std::string::npos || colon == 0) return Error{"--tag: expected key:value"};
    metric.tag_key = options.tag.substr(0, colon);
    metric.tag_value = options.tag.substr(colon + 1);
  }
  metric.label = options.label;
  if (auto status = set_value(metric, options); !status) return status.error();
  for (const auto* app : {&options.ml_app, &datadog.ml_app, &datadog.service}) {
    if (metric.ml_app.empty()) metric.ml_app = *app;
  }
  metric.timestamp_ms =
      options.timestamp_ms.value_or(static_cast<std::int64_t>(unix_ns() / 1'000'000));
  metric.tags = {std::string("ddtrace.version:") + version(), "ml_app:" + metric.ml_app};
  metric.tags.insert(metric.tags.end(), options.tags.begin(), options.tags.end());
  metric.assessment = options.assessment;
  metric.reasoning = options.reasoning;
  return metric;
}

int submit(const EvalOptions& options) {
  auto config = load_config(options.config, process_environment());
  if (!config) return fail(config.error().message);
  const auto timeout = parse_milliseconds(options.timeout);
  if (!timeout) return fail("--timeout: " + timeout.error().message);
  const auto& datadog = config->datadog;
  auto metric = metric_of(options, datadog);
  if (!metric) return fail(metric.error().message);
  auto json = eval_metric_json(*metric);
  if (!json) return fail(json.error().message);

  LlmobsTarget target;
  target.site = datadog.site;
  target.api_key = datadog.api_key;
  target.agentless = datadog.agentless;
  target.agent_url = datadog.agent_url;
  target.override_origin = datadog.override_origin;
  auto spool = Spool::open("", 1 << 20);  // memory: there is somebody to tell
  if (!spool) return fail(spool.error().message);
  Delivery delivery(eval_delivery({}, std::move(target)), std::move(*spool));
  delivery.send(std::move(*json));
  delivery.flush(*timeout);
  const auto counts = delivery.counts();
  if (counts.delivered == 1) return 0;
  return fail(counts.rejected > 0 ? "the evaluation was refused"
                                  : "the evaluation could not be sent within " + options.timeout);
}

}  // namespace

void add_eval(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<EvalOptions>();
  auto* eval = app.add_subcommand("eval", "Evaluation metrics for LLM Observability");
  eval->require_subcommand(1);
  eval->footer("Example:\n  llmtap eval submit --help");
  auto* sub = eval->add_subcommand("submit", "Send one, joined to a span or to a tag");
  sub->add_option("--label", options->label, "What is evaluated; no dots")->required();
  sub->add_option("--value", options->value, "true, 0.7, a word, a JSON object")->required();
  sub->add_option("--type", options->type, "Default: by the value")
      ->check(CLI::IsMember({"boolean", "score", "categorical", "json"}));
  sub->add_option("--span-id", options->span_id, "Of the span, decimal");
  sub->add_option("--trace-id", options->trace_id, "LLM Observability's trace id, hex");
  sub->add_option("--tag", options->tag, "Instead of ids: all spans with this tag")
      ->type_name("KEY:VALUE");
  sub->add_option("--ml-app", options->ml_app, "Default: DD_LLMOBS_ML_APP, DD_SERVICE");
  sub->add_option("--assessment", options->assessment, "pass or fail")
      ->check(CLI::IsMember({"pass", "fail"}));
  sub->add_option("--reasoning", options->reasoning, "Why, in words");
  sub->add_option("--add-tag", options->tags, "Tags of the metric itself")->type_name("KEY:VALUE");
  sub->add_option("--timestamp-ms", options->timestamp_ms, "Unix time (default: now)");
  sub->add_option("--timeout", options->timeout, "How long to try")->capture_default_str();
  sub->add_option("-c,--config", options->config, "YAML file")->type_name("FILE");
  sub->footer(kExamples);
  sub->callback([options, &chosen] { chosen = [options] { return submit(*options); }; });
}

}  // namespace llmtap
