// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/command_model.h"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace llmtap {
namespace {

// CLI11 shows the choices of IsMember in the type: "TEXT:{table,calls,llmobs}".
std::vector<std::string> choices_of(const std::string& type) {
  std::vector<std::string> choices;
  const auto open = type.find('{');
  const auto close = type.find('}', open);
  if (open == std::string::npos || close == std::string::npos) return choices;
  for (auto begin = open + 1; begin < close;) {
    const auto end = std::min(type.find(',', begin), close);
    choices.push_back(type.substr(begin, end - begin));
    begin = end + 1;
  }
  return choices;
}

OptionModel read_option(const CLI::Option& option) {
  OptionModel model;
  for (const auto& name : option.get_snames()) model.names.push_back('-' + name);
  for (const auto& name : option.get_lnames()) model.names.push_back("--" + name);
  model.description = option.get_description();
  const auto type = option.get_type_name();
  model.choices = choices_of(type);
  const bool flag = option.nonpositional() && option.get_items_expected_max() == 0;
  if (!flag) model.argument = type.substr(0, type.find(':'));
  if (!option.nonpositional() && (model.argument.empty() || model.argument == "TEXT"))
    model.argument = option.get_name(true);
  return model;
}

CommandModel read(const CLI::App& app, const std::string& prefix) {
  CommandModel model;
  model.name = prefix;
  model.description = app.get_description();
  model.footer = app.get_footer();
  for (const auto* option : app.get_options({})) model.options.push_back(read_option(*option));
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    model.commands.push_back(
        read(*command, prefix + (prefix.empty() ? "" : " ") + command->get_name()));
  }
  return model;
}

}  // namespace

CommandModel read_command_model(const CLI::App& app) { return read(app, ""); }

}  // namespace llmtap
