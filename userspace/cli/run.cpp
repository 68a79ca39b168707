// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "userspace/app/config.h"
#include "userspace/app/destinations.h"
#include "userspace/app/kernel_capture.h"
#include "userspace/app/pipeline.h"
#include "userspace/base/log.h"
#include "userspace/capture/plain_ports.h"
#include "userspace/cli/commands.h"
#include "userspace/cli/observed_command.h"
#include "userspace/cli/stop_signal.h"

namespace llmtap {
namespace {

struct RunOptions {
  std::string config;
  std::string jsonl;
  std::string db;
  bool no_store = false;
  bool check_config = false;
  std::vector<std::string> command;
};

constexpr const char* kExamples = R"(Examples:
  llmtap run                              every process of this machine, until Ctrl-C
  llmtap run -- python3 app.py            one command and its descendants, until it ends
  llmtap run --jsonl spans.jsonl          LLMObs span events as JSON lines as well
  DD_API_KEY=... DD_LLMOBS_AGENTLESS_ENABLED=1 DD_LLMOBS_ML_APP=shop llmtap run
  llmtap run --config my.yaml --check-config

No flag and no file is needed. With a Datadog Agent on this machine spans go there.
Every option of the file and its default: config/llmtap.yaml)";

Result<Config> configure(const RunOptions& options) {
  auto config = load_config(options.config, process_environment());
  if (!config) return config;
  if (!options.jsonl.empty()) config->jsonl.path = options.jsonl;
  if (!options.db.empty()) {
    config->store.path = options.db;
    // A store of one's own goes with a spool of one's own: two daemons never share one.
    config->delivery.spool_dir = options.db + ".spool";
  }
  if (options.no_store) config->store.enabled = false;
  return config;
}

std::optional<PlainOptions> plain_options(const Config& config) {
  if (!config.plain_http.enabled) return std::nullopt;
  PlainOptions options{default_plain_ports()};
  options.linger = config.plain_http.linger;
  options.ports.insert(options.ports.end(), config.plain_http.ports.begin(),
                       config.plain_http.ports.end());
  return options;
}

void announce(const KernelCapture& capture, const Destinations& destinations) {
  std::string line = capture.describe();
  for (const auto& destination : destinations.lines()) line += "; " + destination;
  log_info(line);
}

void report_end(const KernelCapture& capture, const Pipeline& pipeline) {
  const LossLedger kernel = capture.source().losses();
  const PipelineCounts counts = pipeline.counts();
  std::string text;
  for (std::size_t i = 0; i < kLossReasons; ++i) {
    const auto reason = static_cast<LossReason>(i);
    const auto times = kernel.times(reason) + counts.losses.times(reason);
    if (times > 0)
      text += (text.empty() ? "" : ", ") + std::string(name(reason)) + ' ' + std::to_string(times);
  }
  log_info(std::to_string(counts.calls) + " calls" + (text.empty() ? "" : "; lost: " + text));
}

int run(const RunOptions& options) {
  auto config = configure(options);
  if (!config) return fail(config.error().message);
  if (options.check_config) {
    log_info("the configuration is fine");
    return 0;
  }
  // Before any thread starts: a fork takes only the calling thread along.
  std::unique_ptr<ObservedCommand> command;
  if (!options.command.empty()) {
    auto held = ObservedCommand::fork_held(options.command);
    if (!held) return fail(held.error().message);
    command = std::make_unique<ObservedCommand>(std::move(*held));
  }
  const auto& signalled = stop_on_signals();
  auto capture = KernelCapture::start(command != nullptr, config->hold_exec, plain_options(*config));
  if (!capture) return fail(capture.error().message);
  auto destinations = Destinations::open(*config);
  if (!destinations) return fail(destinations.error().message);
  KernelCapture& kernel = **capture;
  if (command != nullptr) kernel.prepare(options.command.front());
  kernel.wait_until_settled();
  announce(kernel, **destinations);
  if (command) {
    if (auto status = kernel.source().add_target(command->pid()); !status)
      return fail(status.error().message);
    if (auto status = command->release(); !status) {
      return fail(options.command.front() + ": " + status.error().message);
    }
  }

  std::atomic<bool> stop{false};
  PipelineHooks hooks;
  hooks.on_verdict = [&kernel](const ConnId& conn, ConnVerdict verdict) {
    kernel.set_verdict(conn, verdict);
  };
  hooks.describe_process = [&kernel](CallRecord& call) { kernel.describe_process(call); };
  hooks.on_tick = [&] { stop = signalled || (command && command->ended()); };
  Pipeline pipeline(*config, **destinations, std::move(hooks));
  if (auto status = pipeline.run(kernel.source(), stop, config->delivery.flush_deadline); !status) {
    return fail(status.error().message);
  }
  report_end(kernel, pipeline);
  return command ? command->ended().value_or(0) : 0;
}

}  // namespace

int fail(const std::string& message) {
  log_error(message);
  return 1;
}

void add_run(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<RunOptions>();
  auto* sub =
      app.add_subcommand("run", "Watch this machine, or one command, and show every LLM call");
  sub->add_option("-c,--config", options->config,
                  "YAML file (default: /etc/llmtap/llmtap.yaml if there)")
      ->type_name("FILE");
  sub->add_option("--jsonl", options->jsonl, "LLMObs span events as JSON lines; - for stdout")
      ->type_name("FILE");
  sub->add_option("--db", options->db, "The store (default: /var/lib/llmtap/llmtap.db)")
      ->type_name("FILE");
  sub->add_flag("--no-store", options->no_store, "Keep nothing on disk");
  sub->add_flag("--check-config", options->check_config,
                "Read the configuration, say what is wrong, end");
  sub->add_option("command", options->command, "Observe only this command and its descendants")
      ->type_name("-- CMD");
  sub->footer(kExamples);
  sub->callback([options, &chosen] { chosen = [options] { return run(*options); }; });
}

}  // namespace llmtap
