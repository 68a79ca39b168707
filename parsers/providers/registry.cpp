// SPDX-License-Identifier: Apache-2.0
#include "parsers/providers/registry.h"

#include <initializer_list>

namespace llmtap {

// Each dialect's file ends with `extern const Provider kName = {...}`; it is declared here and
// listed below.
extern const Provider kAnthropicMessages;
extern const Provider kAnthropicComplete;
extern const Provider kOpenAiChat;
extern const Provider kOpenAiCompletions;
extern const Provider kOpenAiEmbeddings;
extern const Provider kOpenAiResponses;
extern const Provider kOpenAiMedia;
extern const Provider kOpenAiAssistants;
extern const Provider kManagementRequests;
extern const Provider kBedrockConverse;
extern const Provider kBedrockInvoke;
extern const Provider kBedrockAgent;
extern const Provider kGemini;
extern const Provider kGeminiEmbeddings;
extern const Provider kGeminiGrpc;
extern const Provider kGeminiInteractions;
extern const Provider kGeminiLive;
extern const Provider kOpenAiRealtime;
extern const Provider kVertexPredict;
extern const Provider kVertexRawPredict;
extern const Provider kCohereChat;
extern const Provider kCohereNative;
extern const Provider kOllama;
extern const Provider kReplicate;
extern const Provider kHostedText;
extern const Provider kMistralNative;
extern const Provider kXaiGrpc;

namespace {

// Match order: specific paths and hosts before general ones.
const std::initializer_list<const Provider*> kProviders = {
    &kBedrockConverse,
    &kBedrockInvoke,
    &kBedrockAgent,
    &kGemini,
    &kGeminiEmbeddings,
    &kGeminiGrpc,
    &kGeminiInteractions,
    &kGeminiLive,
    &kXaiGrpc,
    &kVertexPredict,
    &kVertexRawPredict,
    &kAnthropicMessages,
    &kAnthropicComplete,
    &kOpenAiChat,
    &kOpenAiCompletions,
    &kOpenAiEmbeddings,
    &kOpenAiRealtime,
    &kOpenAiResponses,
    &kOpenAiMedia,
    &kOpenAiAssistants,
    &kCohereChat,
    &kCohereNative,
    &kOllama,
    &kReplicate,
    &kHostedText,
    &kMistralNative,
    &kManagementRequests,
};

}  // namespace

std::span<const Provider* const> providers() { return {kProviders.begin(), kProviders.size()}; }

const Provider* find_provider(const RequestHead& head, const Json& body, bool* undecided) {
  if (undecided != nullptr) *undecided = false;
  for (const Provider* provider : kProviders) {
    const Match match = provider->matches(head);
    if (match == Match::kYes) return provider;
    if (match == Match::kNo || provider->confirms == nullptr) continue;
    if (body.exists() && provider->confirms(head, body)) return provider;
    if (undecided != nullptr) *undecided = true;
  }
  if (!body.exists()) return nullptr;
  // No path says anything: the body may.
  for (const Provider* provider : kProviders) {
    if (provider->confirms != nullptr && provider->confirms(head, body)) return provider;
  }
  return nullptr;
}

const Provider* find_provider(std::string_view message) {
  for (const Provider* provider : kProviders) {
    if (provider->confirms_message != nullptr && provider->confirms_message(message)) {
      return provider;
    }
  }
  return nullptr;
}

}  // namespace llmtap
