// SPDX-License-Identifier: Apache-2.0
#include "parsers/core/call_record.h"

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
