// SPDX-License-Identifier: Apache-2.0
//
// dd-trace-py's `google_genai` (datadog-llmobs 5.4) and `vertexai` (5.5) integrations. On the wire
// both speak the same; shape_table.cpp tells them apart by what the SDK says about itself.
#include <algorithm>
#include <cctype>

#include "userspace/sinks/llmobs/shape.h"

namespace llmtap::llmobs {
namespace {

std::string short_model(const CallRecord& call) {
  std::string model = served_model(call, "unknown");
  const auto slash = model.rfind('/');
  return slash == std::string::npos ? model : model.substr(slash + 1);
}

std::string provider(const CallRecord& call) {
  struct Row {
    std::string_view prefix, provider;
  };
  static constexpr Row kRows[] = {{"gemini", "google"},     {"imagen", "google"},
                                  {"veo", "google"},        {"text-embedding", "google"},
                                  {"jamba", "ai21"},        {"claude", "anthropic"},
                                  {"llama", "meta"},        {"mistral", "mistral"},
                                  {"codestral", "mistral"}, {"deepseek", "deepseek"},
                                  {"olmo", "ai2"},          {"tulu", "ai2"},
                                  {"molmo", "ai2"},         {"specter", "ai2"},
                                  {"cosmoo", "ai2"},        {"qodo", "qodo"},
                                  {"mars", "camb.ai"}};
  const std::string model = short_model(call);
  for (const auto& row : kRows) {
    if (model.starts_with(row.prefix)) return std::string(row.provider);
  }
  return "unknown";
}

// "maxOutputTokens" and "max_output_tokens" are one parameter.
const Param* find_param(const CallRecord& call, std::string_view snake) {
  const auto same = [&](const Param& param) {
    std::string name;
    for (const char c : param.name) {
      if (std::isupper(static_cast<unsigned char>(c))) name += '_';
      name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    return name == snake;
  };
  const auto found = std::find_if(call.params.begin(), call.params.end(), same);
  return found == call.params.end() ? nullptr : &*found;
}

// All keys, null where unset, if the caller gave any configuration; else none (D4).
Value config(const CallRecord& call, std::initializer_list<std::string_view> keys) {
  Value shaped = Value::object();
  if (!vendor_value(call, "google_config")) return shaped;
  for (const auto key : keys) {
    const Param* param = find_param(call, key);
    shaped[std::string(key)] = param != nullptr ? json_or_string(param->json) : Value();
  }
  return shaped;
}

Value genai_metadata(const CallRecord& call) {
  if (call.operation == Operation::kEmbeddings) {
    return config(call,
                  {"task_type", "title", "output_dimensionality", "mime_type", "auto_truncate"});
  }
  return config(call, {"temperature", "top_p", "top_k", "candidate_count", "max_output_tokens",
                       "stop_sequences", "response_logprobs", "logprobs", "presence_penalty",
                       "frequency_penalty", "seed", "response_mime_type", "safety_settings",
                       "automatic_function_calling"});
}

Value call_of(const Part& part) { return tool_call(part, "function_call"); }

Value result_of(const Part& part) {
  return {{"name", part.tool_name},
          {"result", part.text == "{}" ? "" : python_json(part.text)},
          {"tool_id", part.tool_id},
          {"type", "function_response"}};
}

// Two members of an object, Python's JSON.
std::string pair_text(const Part& part, const char* first, const char* second) {
  const Value block = json_or_string(part.raw);
  Value shown = {{first, ""}, {second, ""}};
  for (auto& [key, value] : shown.items()) {
    if (block.is_object() && block.contains(key)) value = block[key];
  }
  return python_json(shown.dump(-1, ' ', false, Value::error_handler_t::replace));
}

bool media(const Part& part) {
  return part.kind == PartKind::kImage || part.kind == PartKind::kAudio ||
         part.kind == PartKind::kVideo || part.kind == PartKind::kFile;
}

// One message per part. Parts without a shape (signatures, hosted tools) leave only their role.
Value part_message(const Part& part, const std::string& role) {
  Value shaped = {{"role", role}};
  if (part.kind == PartKind::kText || part.kind == PartKind::kRefusal) {
    if (!part.text.empty()) shaped["content"] = part.text;
  } else if (part.kind == PartKind::kReasoning) {
    shaped = message("reasoning", part.text);
  } else if (part.wire_type == "functionCall") {
    shaped["tool_calls"] = Value::array({call_of(part)});
  } else if (part.wire_type == "functionResponse") {
    shaped["tool_results"] = Value::array({result_of(part)});
  } else if (part.wire_type == "executableCode") {
    shaped["content"] = pair_text(part, "code", "language");
  } else if (part.wire_type == "codeExecutionResult") {
    shaped["content"] = pair_text(part, "outcome", "output");
  } else if (media(part)) {
    const bool file = part.wire_type == "fileData";
    const auto& shown = file && !part.reference.empty() ? part.reference : part.media_type;
    shaped["content"] = (file ? "[file data: " : "[inline data: ") + shown + "]";
  }
  return shaped;
}

std::string genai_role(const Message& wire) {
  return wire.role == "model" ? "assistant" : wire.role;
}

void append(const Message& wire, const std::string& role, Value& list) {
  for (const auto& part : wire.parts) list.push_back(part_message(part, role));
}

Value genai_input(const CallRecord& call) {
  if (call.operation == Operation::kEmbeddings) return embedding_input(call);
  Value list = Value::array();
  for (const auto& wire : call.input) append(wire, genai_role(wire), list);
  return {{"messages", std::move(list)}};
}

// The SDK joins the texts of a stream into one part, which comes first.
Message joined(const Message& wire) {
  Message out{wire.role, {}, {}, {}};
  Part text;
  for (const auto& part : wire.parts) {
    if (part.kind == PartKind::kText) text.text += part.text;
  }
  for (const auto& part : wire.parts) {
    if (part.kind == PartKind::kReasoning) out.parts.push_back(part);
  }
  if (!text.text.empty()) out.parts.push_back(text);
  for (const auto& part : wire.parts) {
    if (part.kind == PartKind::kReasoning) continue;
    if (part.kind != PartKind::kText || part.text.empty()) out.parts.push_back(part);
  }
  return out;
}

Value genai_output(const CallRecord& call) {
  if (call.operation == Operation::kEmbeddings) return embedding_output(call);
  Value list = Value::array();
  for (const auto& wire : call.output) {
    append(call.streamed ? joined(wire) : wire, genai_role(wire), list);
  }
  // Nothing at all; a candidate without content is an answer, though an empty one.
  if (call.output.empty()) list.push_back(message("assistant", ""));
  return {{"messages", std::move(list)}};
}

Value metrics(const CallRecord& call) {
  Value shaped = usage_metrics(call);
  shaped.erase("cache_write_input_tokens");
  if (call.usage.total_reported) shaped["total_tokens"] = *call.usage.total_reported;
  if (call.usage.billable_characters) {
    shaped["billable_character_count"] = *call.usage.billable_characters;
  }
  return shaped;
}

std::string genai_name(const CallRecord&) { return "google_genai.request"; }

std::string genai_error(const CallRecord& call) {
  const int status = call.http_status.value_or(0);
  return status >= 500   ? "google.genai.errors.ServerError"
         : status >= 400 ? "google.genai.errors.ClientError"
                         : "google.genai.errors.APIError";
}

// ---- the Vertex AI SDK ----

std::string vertex_name(const CallRecord&) { return "GenerativeModel.generate_content"; }

Value vertex_messages(const std::vector<Message>& wires) {
  Value list = Value::array();
  for (const auto& wire : wires) {
    for (const auto& part : wire.parts) {
      Value shaped = part_message(part, wire.role);
      if (!shaped.contains("content")) shaped["content"] = "";
      list.push_back(std::move(shaped));
    }
  }
  return list;
}

Value vertex_input(const CallRecord& call) { return {{"messages", vertex_messages(call.input)}}; }

Value vertex_output(const CallRecord& call) {
  Value list = vertex_messages(call.output);
  if (list.empty()) list.push_back(message("", ""));
  return {{"messages", std::move(list)}};
}

Value vertex_metadata(const CallRecord& call) {
  Value shaped = Value::object();
  for (const auto* key :
       {"temperature", "max_output_tokens", "candidate_count", "top_p", "top_k"}) {
    const Param* param = find_param(call, key);
    if (param == nullptr) continue;
    const Value value = json_or_string(param->json);
    if (value.is_number() && value.get<double>() != 0) shaped[key] = value;
  }
  return shaped;
}

}  // namespace

const Shape kGoogleShape = {"google_genai", genai_name,     short_model,      provider, genai_input,
                            genai_output,   genai_metadata, tool_definitions, metrics,  "",
                            "assistant",    nullptr,        genai_error};

const Shape kVertexShape = {"vertexai",
                            vertex_name,
                            short_model,
                            provider,
                            vertex_input,
                            vertex_output,
                            vertex_metadata,
                            tool_definitions,
                            metrics,
                            "google.api_core.exceptions.GoogleAPICallError",
                            ""};

}  // namespace llmtap::llmobs
