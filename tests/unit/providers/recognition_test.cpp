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
