// SPDX-License-Identifier: Apache-2.0
#include "parsers/assembly/provider_names.h"

#include <charconv>

namespace llmtap {
namespace {

struct Row {
  const char* host;
  const char* label;
};

// Special hosts before general ones.
constexpr Row kBuiltIn[] = {
    {"api.openai.com", "openai"},
    {"chatgpt.com", "openai"},
    {"openai.azure.com", "azure_openai"},
    {"cognitiveservices.azure.com", "azure_openai"},
    {"services.ai.azure.com", "azure_openai"},
    {"models.inference.ai.azure.com", "azure_openai"},
    {"models.ai.azure.com", "azure_openai"},
    {"openai.azure.us", "azure_openai"},
    {"openai.azure.cn", "azure_openai"},
    {"api.anthropic.com", "anthropic"},
    {"claude.ai", "anthropic"},
    {"generativelanguage.googleapis.com", "gemini"},
    {"cloudcode-pa.googleapis.com", "gemini"},
    {"*aiplatform.googleapis.com", "vertex_ai"},
    {"aiplatform.*.rep.googleapis.com", "vertex_ai"},
    {"bedrock*.amazonaws.com", "bedrock"},
    {"bedrock*.amazonaws.com.cn", "bedrock"},
    {"*.bedrock*.vpce.amazonaws.com", "bedrock"},
    {"bedrock*.api.aws", "bedrock"},
    {"runtime*.sagemaker.*.amazonaws.com", "sagemaker"},
    {"api.cohere.com", "cohere"},
    {"api.cohere.ai", "cohere"},
    {"api.mistral.ai", "mistral"},
    {"codestral.mistral.ai", "mistral"},
    {"api.groq.com", "groq"},
    {"api.together.xyz", "together"},
    {"api.together.ai", "together"},
    {"api.fireworks.ai", "fireworks"},
    {"api.deepseek.com", "deepseek"},
    {"api.x.ai", "xai"},
    {"api.perplexity.ai", "perplexity"},
    {"openrouter.ai", "openrouter"},
    {"api.cerebras.ai", "cerebras"},
    {"api.z.ai", "zai"},
    {"open.bigmodel.cn", "zai"},
    {"api.moonshot.ai", "moonshot"},
    {"api.moonshot.cn", "moonshot"},
    {"dashscope.aliyuncs.com", "alibaba"},
    {"dashscope-intl.aliyuncs.com", "alibaba"},
    {"api.sambanova.ai", "sambanova"},
    {"api.hyperbolic.xyz", "hyperbolic"},
    {"api.deepinfra.com", "deepinfra"},
    {"api.novita.ai", "novita"},
    {"api.studio.nebius.ai", "nebius"},
    {"api.studio.nebius.com", "nebius"},
    {"api.tokenfactory.nebius.com", "nebius"},
    {"integrate.api.nvidia.com", "nvidia"},
    {"router.huggingface.co", "huggingface"},
    {"api-inference.huggingface.co", "huggingface"},
    {"endpoints.huggingface.cloud", "huggingface"},
    {"snowflakecomputing.com", "snowflake"},
    {"api.inference.crusoecloud.com", "crusoe"},
    {"inference.heroku.com", "heroku"},
    {"api.portkey.ai", "portkey"},
    {"models.github.ai", "github"},
    {"githubcopilot.com", "github_copilot"},
    {"api.replicate.com", "replicate"},
    {"replicate.net", "replicate"},
    {"stream.replicate.com", "replicate"},
    {"ml.cloud.ibm.com", "watsonx"},
    {"api.writer.com", "writer"},
    {"api.voyageai.com", "voyage"},
    {"api.aleph-alpha.com", "aleph_alpha"},
    {"api.ai21.com", "ai21"},
    {"api.jina.ai", "jina"},
    {"gateway.ai.cloudflare.com", "cloudflare"},
    {"api.cloudflare.com", "cloudflare"},
    {"databricks.com", "databricks"},
    {"azuredatabricks.net", "databricks"},
    {"api.upstage.ai", "upstage"},
    {"api.minimax.io", "minimax"},
    {"api.minimax.chat", "minimax"},
    {"api.siliconflow.com", "siliconflow"},
    {"api.siliconflow.cn", "siliconflow"},
    {"ark.*.volces.com", "volcengine"},
    {"qianfan.baidubce.com", "baidu"},
    {"api.hunyuan.cloud.tencent.com", "tencent"},
    {"inference.baseten.co", "baseten"},
    {"api.baseten.co", "baseten"},
    {"api.friendli.ai", "friendli"},
    {"api.featherless.ai", "featherless"},
    {"llm.chutes.ai", "chutes"},
    {"api.venice.ai", "venice"},
    {"api.scaleway.ai", "scaleway"},
    {"inference.do-ai.run", "digitalocean"},
    {"router.requesty.ai", "requesty"},
    {"helicone.ai", "helicone"},
    {"api.parasail.io", "parasail"},
    {"api.lambda.ai", "lambda"},
    {"api.inference.net", "inference_net"},
    {"ai-gateway.vercel.sh", "vercel"},
    {"ollama.com", "ollama"},
    {":11434", "ollama"},
    {":4000", "litellm"},
    {":1234", "lm_studio"},
    {":30000", "sglang"},
};

bool glob(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool fits(std::string_view pattern, std::string_view host) {
  if (pattern.find('*') != std::string_view::npos) return glob(pattern, host);
  if (!host.ends_with(pattern)) return false;
  return host.size() == pattern.size() || host[host.size() - pattern.size() - 1] == '.';
}

bool is_port(std::string_view pattern, std::uint16_t port) {
  std::uint16_t value = 0;
  pattern.remove_prefix(1);
  const auto [end, error] = std::from_chars(pattern.data(), pattern.data() + pattern.size(), value);
  return error == std::errc{} && end == pattern.data() + pattern.size() && value == port;
}

}  // namespace

ProviderNames::ProviderNames() {
  for (const auto& row : kBuiltIn) rows_.push_back({row.host, row.label});
}

void ProviderNames::add(ProviderName row) { rows_.insert(rows_.begin(), std::move(row)); }

std::string_view ProviderNames::label(std::string_view host,
                                      std::optional<std::uint16_t> port) const {
  for (const auto& row : rows_) {
    if (!row.host.starts_with(':') && !host.empty() && fits(row.host, host)) return row.label;
  }
  for (const auto& row : rows_) {
    if (row.host.starts_with(':') && port && is_port(row.host, *port)) return row.label;
  }
  return {};
}

}  // namespace llmtap
