// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/otlp/names.h"

#include <algorithm>
#include <array>
#include <utility>

namespace llmtap::otlp {
namespace {

constexpr Names k1_41Names{"https://opentelemetry.io/schemas/1.41.1",
                           "gen_ai.usage.cache_creation.input_tokens"};
constexpr Names kLatestNames{"https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev",
                             "gen_ai.usage.cache_write.input_tokens"};

using Pair = std::pair<std::string_view, std::string_view>;

// Labels that the conventions spell otherwise; all others are used as they are.
constexpr std::array kProviders = {
    Pair{"azure_openai", "azure.ai.openai"},
    Pair{"bedrock", "aws.bedrock"},
    Pair{"gemini", "gcp.gemini"},
    Pair{"mistral", "mistral_ai"},
    Pair{"moonshot", "moonshot_ai"},
    Pair{"vertex_ai", "gcp.vertex_ai"},
    Pair{"watsonx", "ibm.watsonx.ai"},
    Pair{"xai", "x_ai"},
};

// A word for error.type must be one of few: no text, no id.
bool is_word(std::string_view text) {
  constexpr std::size_t kLongest = 64;
  return !text.empty() && text.size() <= kLongest &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '.' || c == '-';
         });
}

}  // namespace

const Names& names(Conventions conventions) {
  return conventions == Conventions::kLatest ? kLatestNames : k1_41Names;
}

std::string provider_name(const CallRecord& call) {
  std::string label = call.provider;
  if (label.empty()) label = call.dialect.substr(0, call.dialect.find('_'));
  for (const auto& [ours, theirs] : kProviders) {
    if (ours == label) return std::string(theirs);
  }
  return label.empty() ? "unknown" : label;
}

bool is_proxy_hop(const CallRecord& call) {
  return std::any_of(call.vendor.begin(), call.vendor.end(),
                     [](const Param& p) { return p.name == "proxy_hop"; });
}

// For speech, moderation and reranking the conventions have no word yet; custom ones are allowed.
std::string_view operation_name(const CallRecord& call) {
  if (is_proxy_hop(call)) return "invoke_workflow";
  switch (call.operation) {
    case Operation::kChat:
      return call.dialect.starts_with("gemini") ? "generate_content" : "chat";
    case Operation::kTextCompletion:
      return "text_completion";
    case Operation::kEmbeddings:
      return "embeddings";
    case Operation::kImage:
      return "generate_content";
    case Operation::kSpeech:
      return "text_to_speech";
    case Operation::kTranscription:
    case Operation::kTranslation:
      return "speech_to_text";
    case Operation::kModeration:
      return "moderation";
    case Operation::kRerank:
      return "rerank";
    case Operation::kAgent:
      return "invoke_agent";
    case Operation::kRetrieval:
      return "retrieval";
    case Operation::kOther:
      return "generate_content";
    case Operation::kCountTokens:
    case Operation::kManagement:
      break;
  }
  return name(call.operation);
}

std::string error_type(const CallRecord& call) {
  const int status = call.http_status.value_or(0);
  if (call.error) {
    if (is_word(call.error->code)) return call.error->code;
    if (is_word(call.error->type)) return call.error->type;
  }
  if (status >= 400) return std::to_string(status);
  if (call.error) return "_OTHER";
  return call.end == End::kTruncated ? "truncated" : "";
}

}  // namespace llmtap::otlp
