// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/llmobs/shape.h"

namespace llmtap::llmobs {
namespace {

// First row that fits; an empty column fits all. Dialects are matched by prefix, so that
// "openai_" stands for openai_chat, openai_completions, openai_responses, ...
struct Row {
  std::string_view dialect;
  std::string_view provider;
  const Shape* shape;
};

constexpr Row kRows[] = {
    {"openai_responses", "", &kResponsesShape},
    {"openai_realtime", "", &kResponsesShape},
    {"openai_chat", "mistral", &kMistralShape},
    {"openai_completions", "mistral", &kMistralShape},
    {"openai_embeddings", "mistral", &kMistralShape},
    {"openai_", "", &kOpenAiShape},
    {"anthropic_", "", &kAnthropicShape},
    {"bedrock_agent", "", &kBedrockAgentShape},
    {"bedrock_", "", &kBedrockShape},
    {"gemini_interactions", "", &kGeneralShape},
    {"gemini", "", &kGoogleShape},
    {"vertex_predict", "", &kGoogleShape},
};

// The Vertex AI SDK speaks the same dialect as google-genai and names itself.
bool vertex_sdk(const CallRecord& call) {
  for (const auto name : {"user-agent", "x-goog-api-client"}) {
    const auto value = find_header(call.request_headers, name).value_or(std::string_view{});
    if (value.find("model-builder/") != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

const Shape& shape_for(const CallRecord& call) {
  if (call.dialect == "gemini" && vertex_sdk(call)) return kVertexShape;
  for (const auto& row : kRows) {
    if (!call.dialect.starts_with(row.dialect)) continue;
    if (!row.provider.empty() && call.provider != row.provider) continue;
    return *row.shape;
  }
  return kGeneralShape;
}

}  // namespace llmtap::llmobs
