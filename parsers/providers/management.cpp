// SPDX-License-Identifier: Apache-2.0
//
// Requests to a model API that generate nothing: listings, polling, files, batches, stored
// objects. Recognised so that nobody takes them for unknown traffic, never counted as calls.
//
// The rows say which resource follows a version segment (".../v1/files/{id}"); what stands behind
// the resource only refines the name. Words that any web API may use need a host that looks like
// a model API's or a client that says that it is one.
#include <array>

#include "parsers/providers/common.h"
#include "parsers/providers/provider.h"

namespace llmtap {
namespace {

struct Resource {
  std::string_view first;   // segment behind the version
  std::string_view second;  // the one behind it; empty: any
  bool own_word;            // no other kind of API calls something so
};

constexpr Resource kResources[] = {
    {"assistants", "", true},
    {"threads", "runs", true},
    {"threads", "", true},
    {"vector_stores", "", true},
    {"fine_tuning", "jobs", true},
    {"fine_tuning", "", true},
    {"fine-tunes", "", true},
    {"messages", "batches", true},
    {"messages", "count_tokens", true},
    {"chat", "completions", true},  // GET: stored completions
    {"realtime", "client_secrets", true},
    {"realtime", "sessions", true},
    {"realtime", "transcription_sessions", true},
    {"audio", "voices", true},
    {"chatkit", "", true},
    {"foundation_model_specs", "", true},  // watsonx
    {"text", "tokenization", true},
    {"predictions", "", false},  // Replicate: polling
    {"trainings", "", false},
    {"tokenize", "", false},  // Cohere, vLLM
    {"detokenize", "", false},
    {"models", "", false},
    {"files", "", false},
    {"uploads", "", false},
    {"batches", "", false},
    {"conversations", "", false},
    {"containers", "", false},
    {"evals", "", false},
    {"skills", "", false},
    {"videos", "", false},
    {"organization", "", false},
    {"organizations", "", false},
};

bool is_version(std::string_view segment) {
  if (segment == "openai") return true;  // Azure: /openai/files
  return segment.size() >= 2 && segment[0] == 'v' && segment[1] >= '0' && segment[1] <= '9';
}

bool has(std::string_view text, std::string_view word) {
  return text.find(word) != std::string_view::npos;
}

// Ollama: /api/tags, /api/show, /api/pull, ... Its calls are taken before this dialect is asked.
bool ollama_api(const RequestHead& head) {
  const bool host = head.authority.ends_with(":11434") || has(host_of(head.authority), "ollama");
  return host && head.path.starts_with("/api/");
}

bool model_api(const RequestHead& head) {
  const auto host = host_of(head.authority);
  if (host.ends_with(".ai") || host.starts_with("api.cohere.") || has(host, "replicate.") ||
      has(host, "openai") || has(host, "anthropic") || has(host, "inference") || has(host, "llm")) {
    return true;
  }
  constexpr std::array<std::string_view, 6> kTellTale = {"x-stainless-lang",    "openai-beta",
                                                         "openai-organization", "anthropic-version",
                                                         "anthropic-beta",      "openai-project"};
  for (const auto name : kTellTale) {
    if (find_header(head.headers, name)) return true;
  }
  return false;
}

const Resource* resource_of(const RequestHead& head, std::size_t& at) {
  const auto segments = path_segments(head.path);
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (i > 0 && !is_version(segments[i - 1])) continue;
    const auto second = i + 1 < segments.size() ? segments[i + 1] : std::string_view{};
    for (const auto& resource : kResources) {
      if (segments[i] != resource.first) continue;
      if (!resource.second.empty() && second != resource.second) continue;
      at = i;
      return &resource;
    }
  }
  return nullptr;
}

Match matches(const RequestHead& head) {
  if (path_ends(head.path, "/available-models")) return model_api(head) ? Match::kYes : Match::kNo;
  if (ollama_api(head)) return Match::kYes;
  std::size_t at = 0;
  const Resource* resource = resource_of(head, at);
  if (resource == nullptr) return Match::kNo;
  return resource->own_word || model_api(head) ? Match::kYes : Match::kNo;
}

// "files.list", "threads.runs.retrieve", "models.delete": behind the resource's own words ids and
// words (a sub-resource or a verb) take turns.
std::string endpoint_name(const RequestHead& head) {
  std::size_t at = 0;
  const Resource* resource = resource_of(head, at);
  const auto segments = path_segments(head.path);
  if (ollama_api(head) && segments.size() > 1) return "ollama." + std::string(segments[1]);
  if (resource == nullptr) return "models.list";
  std::string name(resource->first);
  if (!resource->second.empty()) name += '.' + std::string(resource->second);
  bool id = false;
  for (std::size_t i = at + (resource->second.empty() ? 1 : 2); i < segments.size(); ++i) {
    id = !id;
    if (!id) name += '.' + std::string(segments[i]);
  }
  if (head.method == "DELETE") return name + ".delete";
  if (head.method == "GET") return name + (id ? ".retrieve" : ".list");
  return name + (id ? ".update" : ".create");
}

class ManagementParser final : public CallParser {
 public:
  void request(const RequestHead& head, const RequestBody&, CallRecord& call) override {
    const std::string name = endpoint_name(head);
    call.operation = has(name, "token") ? Operation::kCountTokens : Operation::kManagement;
    call.vendor.push_back({"endpoint", quote_json(name)});
  }
  Step event(const BodyEvent&, const Json&, CallRecord&) override { return Step::kContinue; }
};

}  // namespace

extern const Provider kManagementRequests;
const Provider kManagementRequests = {"management", matches, nullptr, [] {
                                        return std::unique_ptr<CallParser>(new ManagementParser);
                                      }};

}  // namespace llmtap
