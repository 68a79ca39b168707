// SPDX-License-Identifier: Apache-2.0
#include "parsers/core/call_record.h"

#include <algorithm>
#include <initializer_list>

namespace llmtap {
namespace {

std::optional<std::uint64_t> sum(std::initializer_list<std::optional<std::uint64_t>> classes) {
  std::optional<std::uint64_t> total;
  for (const auto& tokens : classes) {
    if (tokens) total = total.value_or(0) + *tokens;
  }
  return total;
}

}  // namespace

namespace {

// Value of `key` in pairs of a key, `assign` and a value, with `separator`s between them.
std::string_view value_in(std::string_view pairs, char separator, char assign,
                          std::string_view key) {
  while (!pairs.empty()) {
    const auto end = std::min(pairs.find(separator), pairs.size());
    std::string_view pair = pairs.substr(0, end);
    pairs.remove_prefix(std::min(end + 1, pairs.size()));
    while (pair.starts_with(' ')) pair.remove_prefix(1);
    if (pair.starts_with(key) && pair.substr(key.size()).starts_with(assign)) {
      return pair.substr(key.size() + 1);
    }
  }
  return {};
}

}  // namespace

std::string propagated(const TraceContext& trace, std::string_view key) {
  const auto tag = value_in(trace.datadog_tags, ',', '=', "_dd.p." + std::string(key));
  if (!tag.empty()) return std::string(tag);
  const auto member = value_in(trace.tracestate, ',', '=', "dd");
  std::string value(value_in(member, ';', ':', "t." + std::string(key)));
  // tracestate may not hold '=' in a value.
  std::replace(value.begin(), value.end(), '~', '=');
  return value;
}

std::string_view name(Operation operation) {
  switch (operation) {
    case Operation::kChat: return "chat";
    case Operation::kTextCompletion: return "text_completion";
    case Operation::kEmbeddings: return "embeddings";
    case Operation::kImage: return "image";
    case Operation::kSpeech: return "speech";
    case Operation::kTranscription: return "transcription";
    case Operation::kTranslation: return "translation";
    case Operation::kModeration: return "moderation";
    case Operation::kRerank: return "rerank";
    case Operation::kAgent: return "agent";
    case Operation::kRetrieval: return "retrieval";
    case Operation::kOther: return "other";
    case Operation::kCountTokens: return "count_tokens";
    case Operation::kManagement: return "management";
  }
  return "other";
}

bool Usage::empty() const {
  Usage none;
  none.source = source;
  return *this == none;
}

std::optional<std::uint64_t> Usage::input() const {
  return sum({input_uncached, cache_read, cache_write});
}

std::optional<std::uint64_t> Usage::output() const { return sum({output_visible, reasoning}); }

}  // namespace llmtap
