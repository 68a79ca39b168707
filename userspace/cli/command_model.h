// SPDX-License-Identifier: Apache-2.0
//
// The command line as data, read off the parser: what the completions and the manual page are made
// of, so that neither can forget an option.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace llmtap {

struct OptionModel {
  std::vector<std::string> names;  // "-c", "--config"; empty: positional
  std::string argument;            // "FILE"; empty: a flag. Of a positional: what stands for it
  std::vector<std::string> choices;
  std::string description;
};

struct CommandModel {
  std::string name;  // "run"; of nested ones "eval submit"; empty: the program itself
  std::string description;
  std::string footer;  // examples and more, as in --help
  std::vector<OptionModel> options;
  std::vector<CommandModel> commands;
};

CommandModel read_command_model(const CLI::App& app);

// Scripts for a shell; text of the whole file.
std::string bash_completion(const CommandModel& program);
std::string zsh_completion(const CommandModel& program);
std::string fish_completion(const CommandModel& program);

// llmtap(1) in mdoc(7).
std::string manual_page(const CommandModel& program);

}  // namespace llmtap
