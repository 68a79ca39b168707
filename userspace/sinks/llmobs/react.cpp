// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/llmobs/react.h"

namespace llmtap::llmobs {
namespace {

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\r\f\v";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

}  // namespace

void fold_react(Value& message, bool empty_content) {
  constexpr std::string_view kAction = "Action:", kInput = "Action Input:",
                             kObservation = "\nObservation:";
  const auto found = message.find("content");
  if (found == message.end() || !found->is_string()) return;
  const std::string content = found->get<std::string>();
  const std::string_view text = content;
  const auto action = text.find(kAction);
  if (action == std::string_view::npos) return;
  const auto input = text.find(kInput, action + kAction.size());
  if (input == std::string_view::npos) return;

  const auto name_at = action + kAction.size();
  const std::string name(trim(text.substr(name_at, input - name_at)));
  std::string_view rest = text.substr(input + kInput.size());
  const auto observation = rest.find(kObservation);
  const std::string given(trim(rest.substr(0, observation)));
  message["tool_calls"].push_back(
      {{"name", name}, {"arguments", arguments(given)}, {"tool_id", ""}, {"type", "function"}});
  if (observation != std::string_view::npos) {
    message["tool_results"].push_back(
        {{"name", name},
         {"result", std::string(trim(rest.substr(observation + kObservation.size())))},
         {"tool_id", ""},
         {"type", "tool_result"}});
  }
  if (empty_content) message["content"] = "";
}

}  // namespace llmtap::llmobs
