// SPDX-License-Identifier: Apache-2.0
//
// Completion scripts for three shells out of one model.
#include <algorithm>
#include <functional>

#include "userspace/cli/command_model.h"

namespace llmtap {
namespace {

constexpr const char* kHead = "# llmtap: written by `llmtap completion`. Do not edit.\n";

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// 'it'\''s': one word for every shell.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + '\'';
}

std::string last_word(const std::string& name) { return name.substr(name.rfind(' ') + 1); }

bool takes_file(const OptionModel& option) { return option.argument == "FILE"; }

void each_command(const CommandModel& command,
                  const std::function<void(const CommandModel&)>& visit) {
  visit(command);
  for (const auto& nested : command.commands) each_command(nested, visit);
}

// What may follow a command: its subcommands and options.
std::vector<std::string> words_after(const CommandModel& command) {
  std::vector<std::string> words;
  for (const auto& nested : command.commands) words.push_back(last_word(nested.name));
  for (const auto& option : command.options)
    words.insert(words.end(), option.names.begin(), option.names.end());
  for (const auto& option : command.options) {
    if (option.names.empty())
      words.insert(words.end(), option.choices.begin(), option.choices.end());
  }
  return words;
}

std::string bash_arguments(const CommandModel& command) {
  std::string text;
  for (const auto& option : command.options) {
    if (option.names.empty() || option.argument.empty()) continue;
    std::string patterns;
    for (const auto& name : option.names)
      patterns += (patterns.empty() ? "" : "|") + quoted(command.name + ':' + name);
    text += "    " + patterns + ") ";
    if (!option.choices.empty()) {
      text += "COMPREPLY=($(compgen -W " + quoted(joined(option.choices)) + " -- \"$cur\"))";
    } else if (takes_file(option)) {
      text += "COMPREPLY=($(compgen -f -- \"$cur\"))";
    } else {
      text += "COMPREPLY=()";
    }
    text += "; return ;;\n";
  }
  return text;
}

// [ and ] and : have a meaning in zsh's option specifications.
std::string zsh_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_action(const OptionModel& option) {
  if (!option.choices.empty()) return '(' + joined(option.choices) + ')';
  if (takes_file(option)) return "_files";
  return option.argument == "-- CMD" ? "_command_names -e" : " ";
}

std::string zsh_option(const OptionModel& option) {
  if (option.names.empty()) {
    return " \\\n    " + quoted("*:" + zsh_text(option.description) + ':' + zsh_action(option));
  }
  std::string text;
  for (const auto& name : option.names) {
    std::string spec =
        '(' + joined(option.names) + ')' + name + '[' + zsh_text(option.description) + ']';
    if (!option.argument.empty())
      spec += ':' + zsh_text(option.argument) + ':' + zsh_action(option);
    text += " \\\n    " + quoted(spec);
  }
  return text;
}

std::string zsh_function(const CommandModel& command) {
  std::string name = command.name.empty() ? "" : '_' + command.name;
  std::replace(name.begin(), name.end(), ' ', '_');
  return "_llmtap" + name;
}

// fish: the condition under which a command's words are offered.
std::string fish_condition(const CommandModel& command) {
  if (command.name.empty()) return "__fish_use_subcommand";
  std::string condition;
  std::string rest = command.name;
  while (!rest.empty()) {
    const auto word = rest.substr(0, rest.find(' '));
    condition += (condition.empty() ? "" : "; and ") + ("__fish_seen_subcommand_from " + word);
    rest.erase(0, std::min(rest.size(), word.size() + 1));
  }
  std::string nested;
  for (const auto& inner : command.commands) nested += ' ' + last_word(inner.name);
  if (!nested.empty()) condition += "; and not __fish_seen_subcommand_from" + nested;
  return condition;
}

std::string fish_option(const OptionModel& option) {
  std::string text;
  for (const auto& name : option.names)
    text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  if (!option.choices.empty()) {
    text += " -x -a " + quoted(joined(option.choices));
  } else if (takes_file(option)) {
    text += " -r -F";
  } else if (option.argument == "-- CMD") {
    text += " -a '(__fish_complete_command)'";
  } else if (!option.argument.empty() && !option.names.empty()) {
    text += " -x";
  }
  return text + " -d " + quoted(option.description);
}

}  // namespace

std::string bash_completion(const CommandModel& program) {
  std::string commands;
  std::string arguments;
  std::string words;
  each_command(program, [&](const CommandModel& command) {
    if (!command.name.empty()) {
      const auto cut = command.name.rfind(' ');
      const auto outer = cut == std::string::npos ? "" : command.name.substr(0, cut);
      commands += "      " + quoted(outer + ':' + last_word(command.name)) +
                  ") command=" + quoted(command.name) + " ;;\n";
    }
    arguments += bash_arguments(command);
    words += "    " + quoted(command.name) + ") COMPREPLY=($(compgen -W " +
             quoted(joined(words_after(command))) + " -- \"$cur\")) ;;\n";
  });
  return std::string(kHead) + R"(_llmtap() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    [ "${COMP_WORDS[i]}" != -- ] || { COMPREPLY=($(compgen -c -- "$cur")); return; }
    case "$command:${COMP_WORDS[i]}" in
)" + commands +
         R"(    esac
  done
  case "$command:$prev" in
)" + arguments +
         R"(  esac
  case "$command" in
)" + words +
         R"(  esac
}
complete -o default -F _llmtap llmtap
)";
}

std::string zsh_completion(const CommandModel& program) {
  std::string text = std::string("#compdef llmtap\n") + kHead;
  each_command(program, [&](const CommandModel& command) {
    std::string options;
    for (const auto& option : command.options) options += zsh_option(option);
    text += zsh_function(command) + "() {\n";
    if (command.commands.empty()) {
      text += "  _arguments -s" + options + "\n}\n";
      return;
    }
    text += "  local context state line\n  typeset -A opt_args\n  _arguments -C" + options +
            " \\\n    '1: :->command' '*:: :->arguments'\n  case $state in\n"
            "  command)\n    local -a commands=(\n";
    std::string cases;
    for (const auto& nested : command.commands) {
      const auto word = last_word(nested.name);
      text += "      " + quoted(word + ':' + zsh_text(nested.description)) + '\n';
      cases += "    " + word + ") " + zsh_function(nested) + " ;;\n";
    }
    text += "    )\n    _describe command commands ;;\n  arguments)\n    case $line[1] in\n" +
            cases + "    esac ;;\n  esac\n}\n";
  });
  // Loaded by name out of $fpath the file is the function's first call.
  return text +
         "if [ \"$funcstack[1]\" = _llmtap ]; then _llmtap \"$@\"; else compdef _llmtap llmtap; "
         "fi\n";
}

std::string fish_completion(const CommandModel& program) {
  std::string text = std::string(kHead) + "complete -c llmtap -f\n";
  each_command(program, [&](const CommandModel& command) {
    const std::string line = "complete -c llmtap -n " + quoted(fish_condition(command));
    for (const auto& nested : command.commands)
      text += line + " -a " + last_word(nested.name) + " -d " + quoted(nested.description) + '\n';
    for (const auto& option : command.options) {
      const bool nothing = option.names.empty() && option.choices.empty() && !takes_file(option) &&
                           option.argument != "-- CMD";
      if (!nothing) text += line + fish_option(option) + '\n';
    }
  });
  return text;
}

}  // namespace llmtap
