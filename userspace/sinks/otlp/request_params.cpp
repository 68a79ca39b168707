// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/otlp/request_params.h"

#include <array>
#include <map>
#include <string>

#include "userspace/sinks/json_text.h"
#include "userspace/sinks/otlp/messages.h"

namespace llmtap::otlp {
namespace {

enum class Kind : std::uint8_t { kDouble, kInt, kText, kTexts };

struct Row {
  const char* attribute;
  Kind kind;
  std::array<const char*, 8> params;  // the dialects' words
};

constexpr Row kRows[] = {
    {"gen_ai.request.temperature", Kind::kDouble, {"temperature"}},
    {"gen_ai.request.top_p", Kind::kDouble, {"top_p", "topP", "p"}},
    {"gen_ai.request.frequency_penalty", Kind::kDouble, {"frequency_penalty", "frequencyPenalty"}},
    {"gen_ai.request.presence_penalty", Kind::kDouble, {"presence_penalty", "presencePenalty"}},
    {"gen_ai.request.max_tokens",
     Kind::kInt,
     {"max_completion_tokens", "max_output_tokens", "max_tokens", "maxOutputTokens", "maxTokens",
      "num_predict", "max_new_tokens", "max_tokens_to_sample"}},
    {"gen_ai.request.seed", Kind::kInt, {"seed"}},
    {"gen_ai.request.stop_sequences", Kind::kTexts, {"stop", "stop_sequences", "stopSequences"}},
    {"openai.request.service_tier", Kind::kText, {"service_tier"}},
};

using Params = std::map<std::string, Value, std::less<>>;

// Ollama and a few others nest theirs in "options".
Params read(const CallRecord& call) {
  Params params;
  for (const auto& param : call.params) {
    Value value = json_or_text<Value>(param.json);
    if (param.name == "options" && value.is_object()) {
      for (const auto& [key, member] : value.items()) params.emplace(key, member);
    }
    params.insert_or_assign(param.name, std::move(value));
  }
  return params;
}

const Value* find(const Params& params, std::string_view name) {
  const auto found = params.find(name);
  return found == params.end() || found->second.is_null() ? nullptr : &found->second;
}

void put(const char* attribute, Kind kind, const Value& value, Value& out) {
  switch (kind) {
    case Kind::kDouble:
      if (value.is_number()) out[attribute] = value.get<double>();
      break;
    case Kind::kInt:
      if (value.is_number()) out[attribute] = value.get<std::int64_t>();
      break;
    case Kind::kText:
      if (value.is_string()) out[attribute] = value;
      break;
    case Kind::kTexts: {
      Value texts = Value::array();
      if (value.is_string()) texts.push_back(value);
      if (value.is_array()) {
        for (const auto& text : value) {
          if (text.is_string()) texts.push_back(text);
        }
      }
      if (!texts.empty()) out[attribute] = std::move(texts);
      break;
    }
  }
}

std::string text_at(const Value* value, std::initializer_list<const char*> path) {
  for (const char* key : path) {
    if (value == nullptr || !value->is_object() || !value->contains(key)) return {};
    value = &(*value)[key];
  }
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string{};
}

bool asks_for_json(const Params& params) {
  const Value* format = find(params, "response_format");
  std::string type = text_at(format, {"type"});
  if (type.empty()) type = text_at(find(params, "text"), {"format", "type"});
  if (type.starts_with("json")) return true;
  for (const auto name : {"responseMimeType", "response_mime_type"}) {
    if (text_at(find(params, name), {}) == "application/json") return true;
  }
  const Value* ollama = find(params, "format");
  return ollama != nullptr && (ollama->is_object() || *ollama == "json");
}

std::string_view output_type(const CallRecord& call, const Params& params) {
  switch (call.operation) {
    case Operation::kImage:
      return "image";
    case Operation::kSpeech:
      return "speech";
    case Operation::kChat:
    case Operation::kTextCompletion:
      return asks_for_json(params) ? "json" : "";
    default:
      return "";
  }
}

void put_latest(const Params& params, Value& out) {
  const Value* level = find(params, "reasoning_effort");
  const std::string effort =
      level != nullptr ? text_at(level, {}) : text_at(find(params, "reasoning"), {"effort"});
  if (!effort.empty()) out["gen_ai.request.reasoning.level"] = effort;
  if (const Value* id = find(params, "previous_response_id"); id != nullptr && id->is_string())
    out["gen_ai.request.previous_response.id"] = *id;
}

}  // namespace

void put_request_params(const CallRecord& call, Conventions conventions, Value& out) {
  const Params params = read(call);
  for (const auto& row : kRows) {
    for (const char* name : row.params) {
      const Value* value = name == nullptr ? nullptr : find(params, name);
      if (value == nullptr) continue;
      put(row.attribute, row.kind, *value, out);
      break;
    }
  }
  const bool latest = conventions == Conventions::kLatest;
  for (const char* name : {"top_k", "topK", "k"}) {
    if (const Value* value = find(params, name)) {
      put("gen_ai.request.top_k", latest ? Kind::kInt : Kind::kDouble, *value, out);
      break;
    }
  }
  for (const char* name : {"n", "candidateCount", "candidate_count"}) {
    const Value* value = find(params, name);
    if (value != nullptr && value->is_number() && *value != 1)
      put("gen_ai.request.choice.count", Kind::kInt, *value, out);
  }
  if (const Value* format = find(params, "encoding_format"))
    put("gen_ai.request.encoding_formats", Kind::kTexts, *format, out);
  if (call.streamed) out["gen_ai.request.stream"] = true;
  if (const auto type = output_type(call, params); !type.empty()) out["gen_ai.output.type"] = type;
  if (call.dialect == "openai_chat") out["openai.api.type"] = "chat_completions";
  if (call.dialect == "openai_responses") out["openai.api.type"] = "responses";
  if (latest) put_latest(params, out);
}

}  // namespace llmtap::otlp
