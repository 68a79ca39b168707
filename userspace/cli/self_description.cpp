// SPDX-License-Identifier: Apache-2.0
//
// `completion` and `manual`: what packages install beside the program.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "userspace/cli/command_model.h"
#include "userspace/cli/commands.h"

namespace llmtap {
namespace {

int completion(const CLI::App& app, const std::string& shell) {
  const auto model = read_command_model(app);
  if (shell == "bash") std::cout << bash_completion(model);
  if (shell == "zsh") std::cout << zsh_completion(model);
  if (shell == "fish") std::cout << fish_completion(model);
  return 0;
}

}  // namespace

void add_self_description(CLI::App& app, Chosen& chosen) {
  auto shell = std::make_shared<std::string>();
  auto* sub = app.add_subcommand("completion", "Print the completion script for a shell");
  sub->add_option("shell", *shell, "Which shell")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  sub->footer(
      "Examples:\n  . <(llmtap completion bash)\n"
      "  llmtap completion fish > ~/.config/fish/completions/llmtap.fish");
  sub->callback(
      [&app, shell, &chosen] { chosen = [&app, shell] { return completion(app, *shell); }; });
  auto* manual = app.add_subcommand("manual", "Print the manual page");
  manual->footer("Example:\n  llmtap manual | man -l -");
  manual->callback([&app, &chosen] {
    chosen = [&app] {
      std::cout << manual_page(read_command_model(app));
      return 0;
    };
  });
}

}  // namespace llmtap
