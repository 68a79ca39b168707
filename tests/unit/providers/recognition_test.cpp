// SPDX-License-Identifier: Apache-2.0
//
// Which dialect takes a request: by path behind any prefix, by host, by the shape of the body.
#include <catch2/catch.hpp>
#include <string>
#include <string_view>

#include "parsers/providers/registry.h"

namespace llmtap {
namespace {

struct Case {
  const char* name;
  const char* method;
  const char* host;
  const char* path;
  const char* body;     // JSON text, "" for none
  const char* dialect;  // "" for no LLM call
};

std::string dialect_of(const Case& c) {
  RequestHead head;
  head.method = c.method;
  head.authority = c.host;
  head.path = c.path;
  JsonDocument document;
  const Json body = *c.body == '\0' ? Json{} : document.parse(c.body);
  const Provider* provider = find_provider(head, body, nullptr);
  return provider == nullptr ? "" : std::string(provider->dialect);
}

constexpr const char* kInput = R"({"model":"m","input":"hi"})";

constexpr const char* kChat = R"({"model":"m","messages":[{"role":"user","content":"hi"}]})";
constexpr const char* kClaude =
    R"({"model":"c","max_tokens":9,"messages":[{"role":"user","content":"hi"}]})";

void check(const Case& c) {
  DYNAMIC_SECTION(c.name) { CHECK(dialect_of(c) == c.dialect); }
}

TEST_CASE("recognition: clouds and gateways", "[unit]") {
  const Case cases[] = {
      {"Azure deployment", "POST", "r.openai.azure.com",
       "/openai/deployments/gpt/chat/completions?api-version=2024-10-21", kChat, "openai_chat"},
      {"Azure, doubled slash", "POST", "r.openai.azure.com",
       "//openai/deployments/gpt/chat/completions?api-version=1", kChat, "openai_chat"},
      {"Azure v1 chat", "POST", "r.openai.azure.com", "/openai/v1/chat/completions", kChat,
       "openai_chat"},
      {"Azure v1 responses", "POST", "r.openai.azure.com",
       "/openai/v1/responses?api-version=preview", kInput, "openai_responses"},
      {"Azure responses", "POST", "r.openai.azure.com",
       "/openai/responses?api-version=2025-04-01-preview", kInput, "openai_responses"},
      {"Azure AI models", "POST", "r.services.ai.azure.com", "/models/chat/completions", kChat,
       "openai_chat"},
      {"Azure v1 realtime", "GET", "r.openai.azure.com", "/openai/v1/realtime?model=m", "",
       "openai_realtime"},
      {"Claude on Azure", "POST", "r.services.ai.azure.com", "/anthropic/v1/messages", kClaude,
       "anthropic_messages"},
      {"Vertex in OpenAI's dialect", "POST", "l-aiplatform.googleapis.com",
       "/v1beta1/projects/p/locations/l/endpoints/openapi/chat/completions", kChat, "openai_chat"},
      {"Bedrock runtime in OpenAI's dialect", "POST", "bedrock-runtime.us-west-2.amazonaws.com",
       "/openai/v1/chat/completions", kChat, "openai_chat"},
      {"Cloudflare gateway, OpenAI", "POST", "gateway.ai.cloudflare.com",
       "/v1/acc/gw/openai/chat/completions", kChat, "openai_chat"},
      {"Cloudflare gateway, Anthropic", "POST", "gateway.ai.cloudflare.com",
       "/v1/acc/gw/anthropic/v1/messages", kClaude, "anthropic_messages"},
      {"Cloudflare gateway, Gemini", "POST", "gateway.ai.cloudflare.com",
       "/v1/acc/gw/google-ai-studio/v1/models/gemini-2.5-flash:generateContent", "", "gemini"},
      {"Cloudflare gateway, Bedrock", "POST", "gateway.ai.cloudflare.com",
       "/v1/acc/gw/aws-bedrock/bedrock-runtime/us-east-1/model/amazon.nova-lite-v1:0/converse", "",
       "bedrock_converse"},
      {"Cloudflare gateway, all of them", "POST", "gateway.ai.cloudflare.com",
       "/v1/acc/gw/compat/chat/completions", kChat, "openai_chat"},
      {"Cloudflare Workers AI", "POST", "api.cloudflare.com",
       "/client/v4/accounts/acc/ai/run/@cf/meta/llama-3.1-8b-instruct",
       R"({"messages":[{"role":"user","content":"hi"}]})", "hosted_text"},
      {"Databricks chat", "POST", "dbc.cloud.databricks.com",
       "/serving-endpoints/databricks-llama/invocations",
       R"({"messages":[{"role":"user","content":"hi"}],"max_tokens":9})", "openai_chat"},
      {"Databricks embeddings", "POST", "dbc.cloud.databricks.com",
       "/serving-endpoints/gte/invocations", R"({"input":["hi"]})", "openai_embeddings"},
      {"Databricks, a model of another kind", "POST", "dbc.cloud.databricks.com",
       "/serving-endpoints/churn/invocations", R"({"dataframe_records":[{"a":1}]})", ""},
      {"Databricks in OpenAI's dialect", "POST", "dbc.cloud.databricks.com",
       "/serving-endpoints/chat/completions", kChat, "openai_chat"},
      {"Snowflake Cortex", "POST", "acc.snowflakecomputing.com",
       "/api/v2/cortex/inference:complete", kChat, "openai_chat"},
      {"Snowflake Cortex in OpenAI's dialect", "POST", "acc.snowflakecomputing.com",
       "/api/v2/cortex/v1/chat/completions", kChat, "openai_chat"},
      {"GitHub Models", "POST", "models.github.ai", "/inference/chat/completions", kChat,
       "openai_chat"},
      {"GitHub Models of an organisation", "POST", "models.github.ai",
       "/orgs/o/inference/embeddings", R"({"model":"m","input":"hi"})", "openai_embeddings"},
      {"OpenRouter chat", "POST", "openrouter.ai", "/api/v1/chat/completions", kChat,
       "openai_chat"},
      {"OpenRouter responses", "POST", "openrouter.ai", "/api/v1/responses", kInput,
       "openai_responses"},
      {"OpenRouter messages", "POST", "openrouter.ai", "/api/v1/messages", kClaude,
       "anthropic_messages"},
      {"LiteLLM, OpenAI", "POST", "localhost:4000", "/chat/completions", kChat, "openai_chat"},
      {"LiteLLM, engines", "POST", "localhost:4000", "/engines/m/chat/completions", kChat,
       "openai_chat"},
      {"LiteLLM, messages", "POST", "localhost:4000", "/v1/messages", kClaude,
       "anthropic_messages"},
      {"LiteLLM passthrough, Anthropic", "POST", "localhost:4000", "/anthropic/v1/messages",
       kClaude, "anthropic_messages"},
      {"LiteLLM passthrough, Bedrock", "POST", "localhost:4000", "/bedrock/model/m/converse", "",
       "bedrock_converse"},
      {"LiteLLM passthrough, Gemini", "POST", "localhost:4000",
       "/gemini/v1beta/models/g:streamGenerateContent?alt=sse", "", "gemini"},
      {"Perplexity", "POST", "api.perplexity.ai", "/chat/completions", kChat, "openai_chat"},
      {"Fireworks", "POST", "api.fireworks.ai", "/inference/v1/completions",
       R"({"model":"m","prompt":"hi"})", "openai_completions"},
      {"Mistral's agents", "POST", "api.mistral.ai", "/v1/agents/completions",
       R"({"agent_id":"ag","messages":[{"role":"user","content":"hi"}]})", "openai_chat"},
      {"Mistral's OCR", "POST", "api.mistral.ai", "/v1/ocr",
       R"({"model":"m","document":{"type":"document_url","document_url":"https://x/a.pdf"}})",
       "mistral_native"},
      {"Mistral's conversations", "POST", "api.mistral.ai", "/v1/conversations",
       R"({"model":"m","inputs":"hi"})", "mistral_native"},
      {"Mistral's conversations, continued", "POST", "api.mistral.ai", "/v1/conversations/conv_1",
       R"({"inputs":[{"role":"user","content":"hi"}]})", "mistral_native"},
      {"OpenAI's conversations", "POST", "api.openai.com", "/v1/conversations",
       R"({"items":[]})", "management"},
      {"somebody's conversations", "POST", "crm.example", "/api/conversations", R"({"a":1})", ""},
      {"watsonx chat of a deployment", "POST", "us-south.ml.cloud.ibm.com",
       "/ml/v1/deployments/d/text/chat?version=1", R"({"messages":[]})", "openai_chat"},
      {"watsonx embeddings", "POST", "us-south.ml.cloud.ibm.com", "/ml/v1/text/embeddings?version=1",
       R"({"model_id":"m","inputs":["a"]})", "openai_embeddings"},
      {"watsonx rerank", "POST", "us-south.ml.cloud.ibm.com", "/ml/v1/text/rerank?version=1",
       R"({"model_id":"m","query":"q","inputs":[{"text":"a"}]})", "cohere_native"},
      {"Aleph Alpha", "POST", "api.aleph-alpha.com", "/complete",
       R"({"model":"luminous-base","prompt":"hi","maximum_tokens":9})", "hosted_text"},
      {"SGLang", "POST", "gpu:30000", "/generate", R"({"text":"hi","sampling_params":{}})",
       "hosted_text"},
      {"llama.cpp infill", "POST", "gpu:8080", "/infill",
       R"({"input_prefix":"a","input_suffix":"b"})", "hosted_text"},
      {"Hugging Face, a model", "POST", "router.huggingface.co", "/hf-inference/models/o/m",
       R"({"inputs":"hi"})", "hosted_text"},
      {"somebody's models", "POST", "cars.example", "/models/vw/golf", R"({"inputs":"hi"})", ""},
      {"Voyage multimodal", "POST", "api.voyageai.com", "/v1/multimodalembeddings",
       R"({"model":"m","inputs":[{"content":[]}]})", "openai_embeddings"},
      {"Bedrock rerank", "POST", "bedrock-agent-runtime.us-east-1.amazonaws.com", "/rerank",
       R"({"queries":[{"textQuery":{"text":"q"},"type":"TEXT"}],"sources":[]})", "bedrock_agent"},
      {"Vertex, an older text model", "POST", "l-aiplatform.googleapis.com",
       "/v1/projects/p/locations/l/publishers/google/models/text-bison:predict",
       R"({"instances":[{"prompt":"hi"}]})", "vertex_predict"},
      {"Imagen on the Gemini API", "POST", "generativelanguage.googleapis.com",
       "/v1beta/models/imagen-4.0:predict", R"({"instances":[{"prompt":"a cat"}]})",
       "vertex_predict"},
      {"SageMaker stream", "POST", "runtime.sagemaker.us-east-1.amazonaws.com",
       "/endpoints/e/invocations-response-stream", R"({"inputs":"hi"})", "bedrock_invoke"},
      {"unknown path, OpenAI shape", "POST", "gw", "/llm", kChat, "openai_chat"},
      {"unknown path, Anthropic shape", "POST", "gw", "/llm",
       R"({"model":"c","max_tokens":9,"system":"s","messages":[{"role":"user","content":"a"}]})",
       "anthropic_messages"},
  };
  for (const auto& c : cases) check(c);
}

TEST_CASE("recognition: what generates nothing", "[unit]") {
  const Case cases[] = {
      {"stored completions", "GET", "api.openai.com", "/v1/chat/completions/chatcmpl-1", "",
       "management"},
      {"models", "GET", "api.openai.com", "/v1/models", "", "management"},
      {"one model", "GET", "api.openai.com", "/v1/models/gpt-4o", "", "management"},
      {"models of Groq", "GET", "api.groq.com", "/openai/v1/models",  "", ""},
      {"batches", "POST", "api.openai.com", "/v1/batches", R"({"endpoint":"/v1/responses"})",
       "management"},
      {"batch, polled", "GET", "api.openai.com", "/v1/batches/b_1", "", "management"},
      {"file", "POST", "api.openai.com", "/v1/files", "", "management"},
      {"its content", "GET", "api.openai.com", "/v1/files/f/content", "", "management"},
      {"run, polled", "GET", "api.openai.com", "/v1/threads/t/runs/r", "", "management"},
      {"Anthropic's batches", "POST", "api.anthropic.com", "/v1/messages/batches",
       R"({"requests":[]})", "management"},
      {"Anthropic's batch results", "GET", "api.anthropic.com", "/v1/messages/batches/b/results",
       "", "management"},
      {"Anthropic's count", "POST", "api.anthropic.com", "/v1/messages/count_tokens?beta=true",
       kClaude, "management"},
      {"Claude Code's telemetry", "POST", "api.anthropic.com", "/api/event_logging/batch",
       R"({"events":[]})", ""},
      {"Claude Code's settings", "GET", "api.anthropic.com", "/api/claude_code/settings", "", ""},
      {"Gemini operations", "GET", "generativelanguage.googleapis.com", "/v1beta/operations/o", "",
       "gemini"},
      {"Gemini batch", "POST", "generativelanguage.googleapis.com",
       "/v1beta/models/g:batchGenerateContent", R"({"batch":{}})", "gemini"},
      {"Replicate's cancel", "POST", "api.replicate.com", "/v1/predictions/p/cancel", "",
       "management"},
      {"Mistral's conversations, listed", "GET", "api.mistral.ai", "/v1/conversations", "",
       "management"},
      {"Bedrock's guardrails", "POST", "bedrock-runtime.us-east-1.amazonaws.com",
       "/guardrail/g/version/1/apply", R"({"source":"INPUT"})", "bedrock_converse"},
      {"Bedrock's control plane", "GET", "bedrock.us-east-1.amazonaws.com", "/prompt-routers", "",
       "bedrock_converse"},
      {"Bedrock agents' control plane", "GET", "bedrock-agent.us-east-1.amazonaws.com",
       "/agents/A1", "", "bedrock_converse"},
      {"Cohere's models", "GET", "api.cohere.com", "/v1/models", "", "management"},
  };
  for (const auto& c : cases) check(c);
}

TEST_CASE("recognition: responses, realtime, Google and Bedrock paths", "[unit]") {
  const Case cases[] = {
      {"responses", "POST", "api.openai.com", "/v1/responses", kInput, "openai_responses"},
      {"responses behind a gateway", "POST", "gw:8080", "/openai/v1/responses?x=1", kInput,
       "openai_responses"},
      {"responses of DeepSeek", "POST", "api.deepseek.com", "/responses", kInput,
       "openai_responses"},
      {"stored response", "GET", "api.openai.com", "/v1/responses/resp_1?stream=true", "",
       "openai_responses"},
      {"cancelled response", "POST", "api.openai.com", "/v1/responses/resp_1/cancel", "",
       "openai_responses"},
      {"somebody's survey", "POST", "forms.example", "/forms/7/responses", R"({"answer":"yes"})",
       ""},
      {"somebody's response", "GET", "forms.example", "/forms/7/responses/12", "", ""},
      {"realtime", "GET", "api.openai.com", "/v1/realtime?model=gpt-realtime", "",
       "openai_realtime"},
      {"realtime of Azure", "GET", "r.openai.azure.com", "/openai/realtime?deployment=d", "",
       "openai_realtime"},
      {"Gemini", "POST", "generativelanguage.googleapis.com",
       "/v1beta/models/gemini-2.5-flash:generateContent", "", "gemini"},
      {"Gemini behind a gateway", "POST", "gw",
       "/google-vertex/v1beta1/publishers/google/models/g:streamGenerateContent?alt=sse", "",
       "gemini"},
      {"Gemini CLI", "POST", "cloudcode-pa.googleapis.com", "/v1internal:streamGenerateContent", "",
       "gemini"},
      {"Gemini CLI's settings", "POST", "cloudcode-pa.googleapis.com", "/v1internal:loadCodeAssist",
       R"({"metadata":{}})", ""},
      {"Gemini telemetry", "POST", "play.googleapis.com", "/log", R"({"events":[]})", ""},
      {"Gemini cached contents", "POST", "generativelanguage.googleapis.com",
       "/v1beta/cachedContents", "", "gemini"},
      {"Gemini in OpenAI's dialect", "POST", "generativelanguage.googleapis.com",
       "/v1beta/openai/chat/completions", "", "openai_chat"},
      {"embedContent", "POST", "generativelanguage.googleapis.com",
       "/v1beta/models/e:batchEmbedContents", "", "gemini_embeddings"},
      {"interactions", "POST", "generativelanguage.googleapis.com", "/v1beta/interactions", "",
       "gemini_interactions"},
      {"somebody's interactions", "POST", "crm.example", "/api/interactions", R"({"input":1})", ""},
      {"Gemini Live", "GET", "generativelanguage.googleapis.com",
       "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=k", "",
       "gemini_live"},
      {"Vertex embeddings", "POST", "l-aiplatform.googleapis.com",
       "/v1/projects/p/locations/l/publishers/google/models/e:predict",
       R"({"instances":[{"content":"hi"}]})", "vertex_predict"},
      {"Vertex, any model", "POST", "l-aiplatform.googleapis.com",
       "/v1/projects/p/locations/l/endpoints/7:predict", R"({"instances":[[1]]})", ""},
      {"Claude on Vertex", "POST", "l-aiplatform.googleapis.com",
       "/v1/projects/p/locations/l/publishers/anthropic/models/c:streamRawPredict", "",
       "vertex_raw_predict"},
      {"Converse", "POST", "bedrock-runtime.us-east-1.amazonaws.com", "/model/m%3A0/converse", "",
       "bedrock_converse"},
      {"Converse behind a gateway", "POST", "gw", "/bedrock/model/arn%3Aaws%2Fx/converse-stream",
       "", "bedrock_converse"},
      {"invoke", "POST", "bedrock-runtime.us-east-1.amazonaws.com", "/model/m/invoke", "",
       "bedrock_invoke"},
      {"SageMaker", "POST", "runtime.sagemaker.us-east-1.amazonaws.com", "/endpoints/e/invocations",
       "", "bedrock_invoke"},
      {"agent", "POST", "bedrock-agent-runtime.us-east-1.amazonaws.com",
       "/agents/A/agentAliases/L/sessions/s/text", "", "bedrock_agent"},
      {"somebody's agents", "POST", "crm.example", "/agents/7", R"({"name":"Bob"})", ""},
      {"Bedrock in OpenAI's dialect", "POST", "bedrock-mantle.us-east-1.api.aws",
       "/openai/v1/responses", kInput, "openai_responses"},
      {"Bedrock profiles", "GET", "bedrock.us-east-1.amazonaws.com", "/inference-profiles", "",
       "bedrock_converse"},
      {"another AWS service", "POST", "s3.amazonaws.com", "/model/x", "", ""},
      {"Cohere v2", "POST", "api.cohere.com", "/v2/chat", R"({"model":"m","messages":[]})",
       "cohere_chat"},
      {"Cohere v1", "POST", "api.cohere.com", "/v1/chat", R"({"model":"m","message":"hi"})",
       "cohere_chat"},
      {"Writer", "POST", "api.writer.com", "/v1/chat",
       R"({"model":"m","messages":[{"role":"user","content":"hi"}]})", "openai_chat"},
      {"rerank of vLLM", "POST", "localhost:8000", "/v1/rerank",
       R"({"query":"q","documents":["a"]})", "cohere_native"},
      {"somebody's rerank", "POST", "shop.example", "/products/rerank", R"({"ids":[1]})", ""},
      {"Cohere's tokenizer", "POST", "api.cohere.com", "/v1/tokenize", R"({"text":"a"})",
       "management"},
      {"Ollama", "POST", "localhost:11434", "/api/chat",
       R"({"model":"m","messages":[{"role":"user","content":"hi"}]})", "ollama"},
      {"Ollama's models", "GET", "localhost:11434", "/api/tags", "", "management"},
      {"somebody's tags", "GET", "blog.ai", "/api/tags", "", ""},
      {"Replicate", "POST", "api.replicate.com", "/v1/predictions", R"({"input":{"prompt":"a"}})",
       "replicate"},
      {"Replicate, polled", "GET", "api.replicate.com", "/v1/predictions/p1", "", "management"},
      {"Replicate, streamed", "GET", "stream.replicate.com", "/v1/streams/a", "", "replicate"},
      {"somebody's predictions", "GET", "weather.example", "/v1/predictions/12", "", ""},
      {"watsonx", "POST", "us-south.ml.cloud.ibm.com", "/ml/v1/text/generation?version=1",
       R"({"model_id":"m","input":"hi"})", "hosted_text"},
      {"watsonx chat", "POST", "us-south.ml.cloud.ibm.com", "/ml/v1/text/chat?version=1",
       R"({"model_id":"m","messages":[]})", "openai_chat"},
      {"watsonx models", "GET", "us-south.ml.cloud.ibm.com", "/ml/v1/foundation_model_specs", "",
       "management"},
      {"TGI", "POST", "tgi:8080", "/generate", R"({"inputs":"hi"})", "hosted_text"},
      {"Mistral FIM", "POST", "api.mistral.ai", "/v1/fim/completions",
       R"({"model":"m","prompt":"a"})", "openai_completions"},
      {"unknown path, Responses shape", "POST", "gw", "/llm",
       R"({"model":"m","input":[{"role":"user","content":"hi"}]})", "openai_responses"},
      {"unknown path, Gemini shape", "POST", "gw", "/llm",
       R"({"contents":[{"role":"user","parts":[{"text":"hi"}]}]})", "gemini"},
      {"first message of a socket, Responses", "GET", "gw", "/ws",
       R"({"type":"response.create","model":"m","input":[]})", "openai_responses"},
      {"first message of a socket, Realtime", "GET", "gw", "/ws",
       R"({"type":"session.update","session":{"instructions":"hi"}})", "openai_realtime"},
      {"first message of a socket, chat program", "GET", "gw", "/ws", R"({"type":"message"})", ""},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) { CHECK(dialect_of(c) == c.dialect); }
  }
}

}  // namespace
}  // namespace llmtap
