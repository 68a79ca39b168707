// SPDX-License-Identifier: Apache-2.0
//
// Keys and tokens that say what they are by their prefix (the vendors' documentation and their
// entries in secret scanners).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace llmtap {

enum class KeyTail : std::uint8_t { kToken, kDotted, kBase64 };

struct KeyForm {
  std::string_view prefix;
  std::size_t least;  // length of the whole key
  std::string_view kind;
  KeyTail tail = KeyTail::kToken;
};

// By first byte; longer prefixes before their own beginnings.
inline constexpr std::array kKeyForms = {
    KeyForm{"ABSK", 40, "bedrock_key", KeyTail::kBase64},
    KeyForm{"AGE-SECRET-KEY-1", 40, "age_key"},
    KeyForm{"AIza", 35, "google_key"},
    KeyForm{"ATATT3", 40, "atlassian_token", KeyTail::kBase64},
    KeyForm{"GOCSPX-", 28, "google_secret"},
    KeyForm{"NRAK-", 28, "newrelic_key"},
    KeyForm{"SG.", 40, "sendgrid_key", KeyTail::kDotted},
    KeyForm{"api_org_", 30, "huggingface_token"},
    KeyForm{"csk-", 24, "cerebras_key"},
    KeyForm{"dapi", 36, "databricks_token"},
    KeyForm{"ddapi_", 24, "datadog_key"},
    KeyForm{"dckr_pat_", 24, "docker_token"},
    KeyForm{"dop_v1_", 40, "digitalocean_token"},
    KeyForm{"dp.", 40, "doppler_token", KeyTail::kDotted},
    KeyForm{"figd_", 30, "figma_token"},
    KeyForm{"fw_", 20, "fireworks_key"},
    KeyForm{"ghp_", 24, "github_token"},
    KeyForm{"gho_", 24, "github_token"},
    KeyForm{"ghu_", 24, "github_token"},
    KeyForm{"ghs_", 24, "github_token"},
    KeyForm{"ghr_", 24, "github_token"},
    KeyForm{"github_pat_", 30, "github_token"},
    KeyForm{"glpat-", 20, "gitlab_token"},
    KeyForm{"gldt-", 20, "gitlab_token"},
    KeyForm{"glrt-", 20, "gitlab_token"},
    KeyForm{"glsa_", 30, "grafana_token"},
    KeyForm{"glc_", 40, "grafana_token", KeyTail::kBase64},
    KeyForm{"gsk_", 24, "groq_key"},
    KeyForm{"hf_", 20, "huggingface_token"},
    KeyForm{"hvs.", 24, "vault_token"},
    KeyForm{"jina_", 30, "jina_key"},
    KeyForm{"lin_api_", 30, "linear_key"},
    KeyForm{"lsv2_", 24, "langsmith_key"},
    KeyForm{"npm_", 30, "npm_token"},
    KeyForm{"ntn_", 30, "notion_token"},
    KeyForm{"nvapi-", 24, "nvidia_key"},
    KeyForm{"pa-", 30, "voyage_key"},
    KeyForm{"pcsk_", 30, "pinecone_key"},
    KeyForm{"pplx-", 24, "perplexity_key"},
    KeyForm{"pypi-", 40, "pypi_token"},
    KeyForm{"r8_", 20, "replicate_token"},
    KeyForm{"rk_live_", 20, "stripe_key"},
    KeyForm{"rk_test_", 20, "stripe_key"},
    KeyForm{"sbp_", 30, "supabase_token"},
    KeyForm{"sess-", 30, "openai_session"},
    KeyForm{"shpat_", 30, "shopify_token"},
    KeyForm{"sk-ant-", 24, "anthropic_key"},
    KeyForm{"sk-or-", 24, "openrouter_key"},
    KeyForm{"sk-", 20, "api_key"},
    KeyForm{"sk_live_", 20, "stripe_key"},
    KeyForm{"sk_test_", 20, "stripe_key"},
    KeyForm{"sk_", 40, "api_key"},
    KeyForm{"sntrys_", 30, "sentry_token", KeyTail::kBase64},
    KeyForm{"tgp_v1_", 24, "together_key"},
    KeyForm{"tvly-", 20, "tavily_key"},
    KeyForm{"vck_", 24, "vercel_key"},
    KeyForm{"whsec_", 24, "stripe_secret", KeyTail::kBase64},
    KeyForm{"xai-", 24, "xai_key"},
    KeyForm{"xapp-", 20, "slack_token"},
    KeyForm{"xoxa-", 20, "slack_token"},
    KeyForm{"xoxb-", 20, "slack_token"},
    KeyForm{"xoxe.", 20, "slack_token", KeyTail::kDotted},
    KeyForm{"xoxp-", 20, "slack_token"},
    KeyForm{"xoxr-", 20, "slack_token"},
    KeyForm{"xoxs-", 20, "slack_token"},
    KeyForm{"ya29.", 25, "google_token"},
};

}  // namespace llmtap
