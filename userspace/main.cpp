// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <exception>

#include "userspace/base/log.h"
#include "userspace/cli/commands.h"

namespace {

constexpr const char* kDescription =
    R"(llmtap shows every LLM call on this machine without changing any app.)";

constexpr const char* kExamples = R"(Examples:
  llmtap run                         watch every process; a line per call, all kept in the store
  llmtap run -- python3 app.py       start a command, watch only it and its descendants
  llmtap calls --since 1h status:error
  llmtap tail provider:openai
  llmtap doctor                      can this host do it, and what is hooked
  llmtap COMMAND --help              more, with examples)";

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app{kDescription, "llmtap"};
  app.footer(kExamples);
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("llmtap ") + llmtap::version());
  llmtap::Chosen chosen;
  llmtap::add_run(app, chosen);
  llmtap::add_calls(app, chosen);
  llmtap::add_tail(app, chosen);
  llmtap::add_doctor(app, chosen);
  llmtap::add_decode(app, chosen);
  llmtap::add_eval(app, chosen);
  llmtap::add_record(app, chosen);
  llmtap::add_replay(app, chosen);
  llmtap::add_self_description(app, chosen);
  if (argc == 1) {
    std::cout << app.help();
    return 0;
  }
  CLI11_PARSE(app, argc, argv);
  return chosen ? chosen() : 1;
} catch (const std::exception& error) {
  llmtap::log_error(error.what());
  return 1;
}
