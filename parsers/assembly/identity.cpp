// SPDX-License-Identifier: Apache-2.0
#include "parsers/assembly/identity.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "parsers/assembly/secrets.h"
#include "parsers/providers/common.h"

namespace llmtap {
namespace {

// Clients (Claude Code, Codex, Open WebUI) and gateways (LiteLLM, Helicone, OpenRouter) that say it
// in a header of their own.
constexpr std::array<std::string_view, 10> kSessionHeaders = {
    "x-session-id",         "session-id",        "session_id",      "x-claude-code-session-id",
    "x-openwebui-chat-id",  "x-conversation-id", "conversation_id", "helicone-session-id",
    "x-litellm-session-id", "x-litellm-trace-id"};
constexpr std::array<std::string_view, 5> kUserHeaders = {
    "x-user-id", "helicone-user-id", "x-openwebui-user-id", "x-litellm-end-user-id",
    "x-litellm-customer-id"};

bool usable(std::string_view id) {
  return !id.empty() && id.size() <= kMaxIdentity && !looks_like_credential(id);
}

Json walk(Json value, const JsonPath& path) {
  for (const auto& step : path) {
    if (value.is_array()) {
      std::size_t index = 0;
      const auto [end, error] = std::from_chars(step.data(), step.data() + step.size(), index);
      if (error != std::errc{} || end != step.data() + step.size()) return {};
      value = value.at(index);
    } else {
      value = value[step];
    }
  }
  return value;
}

// Strings as they are, numbers as their text.
std::string text_of(const Json& value) {
  if (value.is_string()) return value.str();
  return value.is_number() ? value.dump() : std::string{};
}

std::string read_rule(const IdentityRule& rule, const Headers& request, const Json& body) {
  if (rule.header.empty()) return text_of(walk(body, rule.json));
  const auto value = find_header(request, rule.header).value_or(std::string_view{});
  if (rule.json.empty()) return std::string(value);
  JsonDocument document;
  return text_of(walk(document.parse(value), rule.json));
}

std::string first_of(const std::vector<IdentityRule>& rules, const Headers& request,
                     const Json& body) {
  for (const auto& rule : rules) {
    if (auto id = read_rule(rule, request, body); usable(id)) return id;
  }
  return {};
}

// W3C baggage: "key=value;property,key=value", values percent-encoded.
std::string baggage_entry(std::string_view baggage, std::string_view key) {
  while (!baggage.empty()) {
    const auto comma = std::min(baggage.find(','), baggage.size());
    std::string_view entry = baggage.substr(0, comma);
    baggage.remove_prefix(std::min(comma + 1, baggage.size()));
    while (entry.starts_with(' ')) entry.remove_prefix(1);
    const auto equal = entry.find('=');
    if (equal == std::string_view::npos || entry.substr(0, equal) != key) continue;
    entry.remove_prefix(equal + 1);
    return percent_decoded(entry.substr(0, entry.find(';')));
  }
  return {};
}

template <std::size_t N>
void fill(const Headers& request, std::string_view in_baggage,
          const std::array<std::string_view, N>& names, std::string& id) {
  if (!id.empty()) return;
  const auto baggage = find_header(request, "baggage").value_or(std::string_view{});
  if (auto value = baggage_entry(baggage, in_baggage); usable(value)) {
    id = std::move(value);
    return;
  }
  for (const auto name : names) {
    const auto value = find_header(request, name).value_or(std::string_view{});
    if (!usable(value)) continue;
    id = value;
    return;
  }
}

bool member_char(char c) { return c != '.' && c != '[' && c != ']' && c != ' ' && c != '\''; }

}  // namespace

Result<JsonPath> parse_json_path(std::string_view text) {
  const Error wrong{"expected a JSON path such as $.metadata.session_id or $.messages[0].name"};
  if (!text.starts_with('$')) return wrong;
  text.remove_prefix(1);
  JsonPath path;
  while (!text.empty()) {
    std::string_view step;
    if (text.front() == '.') {
      text.remove_prefix(1);
      step = text.substr(
          0, static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), member_char) -
                                      text.begin()));
      text.remove_prefix(step.size());
    } else if (text.starts_with("['")) {
      const auto end = text.find("']");
      if (end == std::string_view::npos) return wrong;
      step = text.substr(2, end - 2);
      text.remove_prefix(end + 2);
    } else if (text.starts_with('[')) {
      const auto end = text.find(']');
      if (end == std::string_view::npos) return wrong;
      step = text.substr(1, end - 1);
      if (step.find_first_not_of("0123456789") != std::string_view::npos) return wrong;
      text.remove_prefix(end + 1);
    } else {
      return wrong;
    }
    if (step.empty()) return wrong;
    path.emplace_back(step);
  }
  if (path.empty()) return wrong;
  return path;
}

Identity apply_rules(const IdentityRules& rules, const Headers& request, const Json& body) {
  return {first_of(rules.sessions, request, body), first_of(rules.users, request, body)};
}

void read_identity_headers(const Headers& request, CallRecord& call) {
  fill(request, "session.id", kSessionHeaders, call.session_id);
  fill(request, "user.id", kUserHeaders, call.user_id);
}

}  // namespace llmtap
