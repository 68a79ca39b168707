// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>

#include "userspace/base/log.h"
#include "userspace/cli/commands.h"

namespace {

constexpr const char* kDescription =
    R"(llmtap shows every LLM call on this machine without changing any app.)";

constexpr const char* kExamples = R"(Examples:
  llmtap run                     watch every process; show and keep each call
  llmtap run -- python3 app.py   start a command; watch only what it does
  llmtap usage --since 1h        who is called how much, how slow, at which cost
  llmtap calls --since 1h status:error
  llmtap tail provider:openai
  llmtap doctor                  can this host do it, and what can be hooked
  llmtap COMMAND --help          more, with examples)";

constexpr int kWrongUse = 2;

// One line, which names the command to ask about.
int wrong_use(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  const auto chosen = app.get_subcommands();
  const bool none = chosen.empty() && argc > 1 && argv[1][0] != '-';
  std::string what = none ? "unknown command '" + std::string(argv[1]) + "'" : error.what();
  std::string command = "llmtap";
  for (const auto* sub : chosen) command += ' ' + sub->get_name();
  llmtap::log_error(what + "; see " + command + " --help");
  return kWrongUse;
}

// What was printed must have arrived, or a script takes half of it for the whole.
int written(int code) {
  std::cout.flush();
  if (std::cout && std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  return code != 0 ? code : llmtap::fail("standard output cannot be written");
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app{kDescription, "llmtap"};
  app.get_formatter()->column_width(24);
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("llmtap ") + llmtap::version());
  llmtap::Chosen chosen;
  llmtap::add_run(app, chosen);
  llmtap::add_calls(app, chosen);
  llmtap::add_tail(app, chosen);
  llmtap::add_usage(app, chosen);
  llmtap::add_doctor(app, chosen);
  llmtap::add_decode(app, chosen);
  llmtap::add_eval(app, chosen);
  llmtap::add_record(app, chosen);
  llmtap::add_replay(app, chosen);
  llmtap::add_self_description(app, chosen);
  app.footer(kExamples);  // after the commands, which would take it for theirs
  if (argc == 1) {
    std::cout << app.help();
    return written(0);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return written(app.exit(error));
    return wrong_use(app, error, argc, argv);
  }
  return chosen ? written(chosen()) : 1;
} catch (const std::exception& error) {
  llmtap::log_error(error.what());
  return 1;
}
