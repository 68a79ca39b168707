// SPDX-License-Identifier: Apache-2.0
#include "userspace/store/filter_match.h"

#include <algorithm>
#include <array>
#include <optional>

#include "userspace/store/search_text.h"
#include "userspace/store/store.h"

namespace llmtap {
namespace {

struct TextField {
  std::string_view name;
  std::string CallSummary::* member;
};
constexpr std::array kTexts = {
    TextField{"service", &CallSummary::service},
    TextField{"provider", &CallSummary::provider},
    TextField{"model", &CallSummary::model},
    TextField{"requested", &CallSummary::model_requested},
    TextField{"operation", &CallSummary::operation},
    TextField{"dialect", &CallSummary::dialect},
    TextField{"host", &CallSummary::host},
    TextField{"process", &CallSummary::process},
    TextField{"session", &CallSummary::session},
    TextField{"finish", &CallSummary::finish_reason},
    TextField{"error", &CallSummary::error_class},
    TextField{"error_type", &CallSummary::error_type},
    TextField{"end", &CallSummary::end},
    TextField{"response", &CallSummary::response_id},
    TextField{"request", &CallSummary::request_id},
};

// In the unit of the store's column, as FilterValue::number.
std::optional<double> number(std::string_view field, const CallSummary& call) {
  const auto tokens = [](const std::optional<std::uint64_t>& count) {
    return count ? std::optional<double>(static_cast<double>(*count)) : std::nullopt;
  };
  if (field == "duration") return static_cast<double>(call.duration_ns) / 1e3;
  if (field == "ttft")
    return call.ttft_ns ? std::optional<double>(static_cast<double>(*call.ttft_ns) / 1e3)
                        : std::nullopt;
  if (field == "cost")
    return call.cost_usd ? std::optional<double>(*call.cost_usd * 1e9) : std::nullopt;
  if (field == "input") return tokens(call.input_tokens);
  if (field == "output") return tokens(call.output_tokens);
  if (field == "cached") return tokens(call.cache_read_tokens);
  if (field == "reasoning") return tokens(call.reasoning_tokens);
  if (field == "pid") return static_cast<double>(call.pid);
  return std::nullopt;
}

bool compare(Compare how, double left, double right) {
  switch (how) {
    case Compare::kLess:
      return left < right;
    case Compare::kLessEqual:
      return left <= right;
    case Compare::kGreater:
      return left > right;
    case Compare::kGreaterEqual:
      return left >= right;
    case Compare::kEqual:
      break;
  }
  return left == right;
}

// '*' stands for any text. Linear but for the last star, to which it returns.
bool glob(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool status(const std::string& text, const CallSummary& call) {
  if (text == "ok") return call.error_class.empty();
  if (text == "error") return !call.error_class.empty();
  if (text == "partial") return call.partial;
  if (!call.http_status) return false;
  if (text.ends_with("xx")) return *call.http_status / 100 == text[0] - '0';
  return std::to_string(*call.http_status) == text;
}

std::string folded(std::string_view text) {
  std::string terms = ' ' + search_terms(text, Store::kSearchBytes) + ' ';
  std::transform(terms.begin(), terms.end(), terms.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return terms;
}

bool any_text(const CallRecord& call, std::string_view words) {
  const std::string wanted = folded(words);
  if (wanted.size() <= 2) return false;
  const auto has = [&wanted](std::string_view text) {
    return !text.empty() && folded(text).find(wanted) != std::string::npos;
  };
  for (const auto* messages : {&call.input, &call.output}) {
    for (const auto& message : *messages) {
      for (const auto& part : message.parts) {
        for (const auto* text :
             {&part.text, &part.tool_name, &part.tool_id, &part.arguments, &part.reference}) {
          if (has(*text)) return true;
        }
      }
    }
  }
  const auto& tools = call.tools;
  return std::any_of(tools.begin(), tools.end(),
                     [&](const auto& t) { return has(t.name) || has(t.description); }) ||
         std::any_of(call.documents.begin(), call.documents.end(), has);
}

bool value_matches(const FilterField& field, const FilterValue& value, const CallRecord& call,
                   const CallSummary& summary) {
  switch (field.kind) {
    case FieldKind::kName:
    case FieldKind::kId: {
      if (field.name == "id") return call.id == value.text;
      const auto* text = std::find_if(kTexts.begin(), kTexts.end(), [&](const TextField& known) {
        return known.name == field.name;
      });
      return text != kTexts.end() && glob(value.text, summary.*text->member);
    }
    case FieldKind::kNumber:
    case FieldKind::kDuration: {
      const auto have = number(field.name, summary);
      return have && compare(value.compare, *have, value.number);
    }
    case FieldKind::kStatus:
      return status(value.text, summary);
    case FieldKind::kFlag:
      return (field.name == "server" ? summary.server_end : summary.streamed) ==
             (value.text == "true");
    case FieldKind::kText:
      return any_text(call, value.text);
  }
  return false;
}

}  // namespace

bool matches(const Filter& filter, const CallRecord& call, const CallSummary& summary) {
  return std::all_of(filter.begin(), filter.end(), [&](const FilterTerm& term) {
    const bool any = std::any_of(term.values.begin(), term.values.end(), [&](const auto& value) {
      return value_matches(*term.field, value, call, summary);
    });
    return any != term.negated;
  });
}

}  // namespace llmtap
