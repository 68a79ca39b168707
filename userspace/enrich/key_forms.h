// SPDX-License-Identifier: Apache-2.0
//
// Keys and tokens that say what they are by their prefix (the vendors' documentation and their
// entries in secret scanners).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace llmtap {

enum class KeyTail : std::uint8_t { kToken, kDotted, kBase64 };

struct KeyForm {
  std::string_view prefix;  // '?': any small letter
  std::size_t least;        // length of the whole key
  std::string_view kind;
  KeyTail tail = KeyTail::kToken;
};

// By first byte; longer prefixes before their own beginnings.
inline constexpr KeyForm kKeyForms[] = {
    {"ABSK", 40, "bedrock_key", KeyTail::kBase64},
    {"AGE-SECRET-KEY-1", 40, "age_key"},
    {"AIza", 35, "google_key"},
    {"ATATT3", 40, "atlassian_token", KeyTail::kBase64},
    {"GOCSPX-", 28, "google_secret"},
    {"NRAK-", 28, "newrelic_key"},
    {"SG.", 40, "sendgrid_key", KeyTail::kDotted},
    {"api_org_", 30, "huggingface_token"},
    {"csk-", 24, "cerebras_key"},
    {"dapi", 36, "databricks_token"},
    {"ddapi_", 24, "datadog_key"},
    {"dckr_pat_", 24, "docker_token"},
    {"dop_v1_", 40, "digitalocean_token"},
    {"dp.", 40, "doppler_token", KeyTail::kDotted},
    {"figd_", 30, "figma_token"},
    {"fw_", 20, "fireworks_key"},
    {"gh?_", 24, "github_token"},
    {"github_pat_", 30, "github_token"},
    {"glpat-", 20, "gitlab_token"},
    {"gl?t-", 20, "gitlab_token"},
    {"glsa_", 30, "grafana_token"},
    {"glc_", 40, "grafana_token", KeyTail::kBase64},
    {"gsk_", 24, "groq_key"},
    {"hf_", 20, "huggingface_token"},
    {"hvs.", 24, "vault_token"},
    {"jina_", 30, "jina_key"},
    {"lin_api_", 30, "linear_key"},
    {"lsv2_", 24, "langsmith_key"},
    {"npm_", 30, "npm_token"},
    {"ntn_", 30, "notion_token"},
    {"nvapi-", 24, "nvidia_key"},
    {"pa-", 30, "voyage_key"},
    {"pcsk_", 30, "pinecone_key"},
    {"pplx-", 24, "perplexity_key"},
    {"pypi-", 40, "pypi_token"},
    {"r8_", 20, "replicate_token"},
    {"rk_live_", 20, "stripe_key"},
    {"rk_test_", 20, "stripe_key"},
    {"sbp_", 30, "supabase_token"},
    {"sess-", 30, "openai_session"},
    {"shpat_", 30, "shopify_token"},
    {"sk-ant-", 24, "anthropic_key"},
    {"sk-or-", 24, "openrouter_key"},
    {"sk-", 20, "api_key"},
    {"sk_live_", 20, "stripe_key"},
    {"sk_test_", 20, "stripe_key"},
    {"sk_", 40, "api_key"},
    {"sntrys_", 30, "sentry_token", KeyTail::kBase64},
    {"tgp_v1_", 24, "together_key"},
    {"tvly-", 20, "tavily_key"},
    {"vck_", 24, "vercel_key"},
    {"whsec_", 24, "stripe_secret", KeyTail::kBase64},
    {"xai-", 24, "xai_key"},
    {"xapp-", 20, "slack_token"},
    {"xox?-", 20, "slack_token"},
    {"xoxe.", 20, "slack_token", KeyTail::kDotted},
    {"ya29.", 25, "google_token", KeyTail::kDotted},
};

}  // namespace llmtap
