// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <utility>

#include "userspace/app/config.h"
#include "userspace/app/daemon.h"
#include "userspace/base/log.h"
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
  llmtap run                       every process of this machine, until Ctrl-C
  llmtap run -- python3 app.py     one command and what it starts, until it ends
  llmtap run --jsonl spans.jsonl   LLMObs span events as JSON lines as well
  DD_API_KEY=... DD_LLMOBS_AGENTLESS_ENABLED=1 DD_LLMOBS_ML_APP=shop llmtap run
  llmtap run --config my.yaml --check-config

No flag and no file is needed. With a Datadog Agent on this machine spans go
there. Every option of the file and its default: config/llmtap.yaml
SIGHUP reads the configuration again; open connections and calls go on, and what
is wrong is refused.
Metrics for Prometheus: http://127.0.0.1:9464/metrics, and /healthz)";

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

// Whether our terminal is gone: then SIGHUP means what it always meant.
class Terminal {
 public:
  bool gone() const { return had_one_ && ::isatty(STDIN_FILENO) == 0; }

 private:
  const bool had_one_ = ::isatty(STDIN_FILENO) == 1;
};

int check_config(const Config& config) {
  std::string line = "the configuration is fine";
  for (const auto& destination : describe_destinations(config)) line += "; " + destination;
  if (!config.metrics.listen.empty())
    line += "; metrics: http://" + config.metrics.listen + "/metrics";
  log_info(line);
  return 0;
}

Status release(Daemon& daemon, ObservedCommand& command) {
  auto status = daemon.capture().source().add_target(command.pid());
  return status ? command.release() : status;
}

int run(const RunOptions& options) {
  auto config = configure(options);
  if (!config) return fail(config.error().message);
  if (options.check_config) return check_config(*config);
  // Before any thread starts: a fork takes only the calling thread along.
  std::unique_ptr<ObservedCommand> command;
  if (!options.command.empty()) {
    auto held = ObservedCommand::fork_held(options.command);
    if (!held) return fail(held.error().message);
    command = std::make_unique<ObservedCommand>(std::move(*held));
  }
  const auto& signalled = stop_on_signals();
  auto& hangup = note_hangups();
  const Terminal terminal;
  auto started = Daemon::start({version(), std::move(*config),
                                [&options] { return configure(options); }, command != nullptr});
  if (!started) return fail(started.error().message);
  Daemon& daemon = **started;
  if (command) daemon.capture().prepare(options.command.front());
  daemon.capture().wait_until_settled();
  daemon.announce();
  if (command) {
    if (auto status = release(daemon, *command); !status)
      return fail(options.command.front() + ": " + status.error().message);
  }
  const auto stop = [&] {
    return signalled || (hangup && terminal.gone()) || (command && command->ended());
  };
  const auto reload = [&] { return !terminal.gone() && hangup.exchange(false); };
  if (auto status = daemon.run(stop, reload); !status) return fail(status.error().message);
  daemon.report();
  return command ? command->ended().value_or(0) : 0;
}

}  // namespace

const char* version() { return LLMTAP_VERSION; }

int fail(const std::string& message) {
  log_error(message);
  return 1;
}

void add_run(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<RunOptions>();
  auto* sub = app.add_subcommand("run", "Watch this machine, or one command");
  sub->add_option("-c,--config", options->config, "YAML file (default: /etc/llmtap/llmtap.yaml)")
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
