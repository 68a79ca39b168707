// SPDX-License-Identifier: Apache-2.0
#include "parsers/providers/openai_common.h"

#include <algorithm>
#include <cmath>

#include "parsers/providers/common.h"

namespace llmtap {
namespace {

using Count = std::optional<std::uint64_t>;

Count first_count(std::initializer_list<Json> candidates) {
  for (const auto& json : candidates) {
    if (const auto count = json.count()) return count;
  }
  return std::nullopt;
}

Json first_object(std::initializer_list<Json> candidates) {
  for (const auto& json : candidates) {
    if (json.is_object()) return json;
  }
  return {};
}

// What is left of `total` without `inside`; a part larger than the whole was not inside of it.
std::uint64_t without(std::uint64_t total, std::uint64_t inside) {
  return total >= inside ? total - inside : total;
}

// Nano-dollars: vendors round the parts of a cost.
bool same_usd(double a, double b) { return std::llround(a * 1e9) == std::llround(b * 1e9); }

std::string text_or_number(const Json& value) {
  if (const auto text = value.string()) return std::string(*text);
  return value.is_number() ? value.dump() : std::string();
}

}  // namespace

Usage read_openai_usage(const Json& usage) {
  Usage out;
  const Json in = first_object({usage["prompt_tokens_details"], usage["input_tokens_details"],
                                usage["input_token_details"]});
  const Json made = first_object({usage["completion_tokens_details"],
                                  usage["output_tokens_details"], usage["output_token_details"]});
  const Count input = first_count({usage["prompt_tokens"], usage["input_tokens"]});
  const Count output = first_count({usage["completion_tokens"], usage["output_tokens"]});
  out.total_reported = usage["total_tokens"].count();
  out.cache_read = first_count({in["cached_tokens"], usage["prompt_cache_hit_tokens"],
                                usage["num_cached_tokens"], usage["cached_tokens"]});
  out.cache_write = first_count({in["cache_write_tokens"], in["cache_creation_tokens"]});
  if (input) {
    out.input_uncached = without(*input, out.cache_read.value_or(0) + out.cache_write.value_or(0));
  }
  out.reasoning = first_count({made["reasoning_tokens"], usage["reasoning_tokens"]});
  if (output) {
    const std::uint64_t reasoning = out.reasoning.value_or(0);
    // Most count reasoning inside of the completion; some add it on top and their total shows it.
    const bool on_top =
        reasoning > 0 && input && out.total_reported == *input + *output + reasoning;
    out.output_visible = on_top ? *output : without(*output, reasoning);
  }
  out.input_audio = in["audio_tokens"].count();
  out.output_audio = made["audio_tokens"].count();
  out.input_image = in["image_tokens"].count();
  out.output_image = made["image_tokens"].count();
  out.seconds = usage["seconds"].number();
  return out;
}

std::optional<Cost> read_openai_cost(const Json& usage) {
  constexpr double kTicksPerUsd = 1e10;
  Cost cost;
  cost.source = Cost::Source::kProvider;
  if (const Json parts = usage["cost"]; parts.is_object()) {  // Perplexity
    const auto total = parts["total_cost"].number();
    if (!total) return std::nullopt;
    cost.total_usd = *total;
    cost.input_usd = parts["input_tokens_cost"].number();
    cost.output_usd = parts["output_tokens_cost"].number();
    return cost;
  }
  auto reported = usage["cost"].number();
  if (!reported) reported = usage["estimated_cost"].number();  // DeepInfra
  if (const auto ticks = usage["cost_in_usd_ticks"].number(); ticks && !reported) {  // xAI
    reported = *ticks / kTicksPerUsd;
  }
  if (!reported) return std::nullopt;
  cost.total_usd = *reported;
  const Json details = usage["cost_details"];
  // With the caller's own key the upstream bills him directly and `cost` is only the router's fee.
  if (usage["is_byok"].boolean().value_or(false)) {
    cost.total_usd += details["upstream_inference_cost"].number().value_or(0);
  }
  const auto input = details["upstream_inference_prompt_cost"].number();
  const auto output = details["upstream_inference_completions_cost"].number();
  if (input && output && same_usd(*input + *output, cost.total_usd)) {
    cost.input_usd = input;
    cost.output_usd = output;
  }
  return cost;
}

void apply_openai_usage(const Json& holder, CallRecord& call) {
  const Json usage =
      first_object({holder["usage"], holder["x_groq"]["usage"], holder["choices"].at(0)["usage"]});
  if (!usage) return;
  Usage read = read_openai_usage(usage);
  if (read.empty()) return;
  call.usage = read;
  // Mistral has two names for it, and its integration in the SDK knows this one.
  const Json own = usage["num_cached_tokens"];
  const bool known = std::any_of(call.vendor.begin(), call.vendor.end(),
                                 [](const Param& p) { return p.name == "num_cached_tokens"; });
  if (own.count() && !known) call.vendor.push_back({"num_cached_tokens", own.dump()});
  if (auto cost = read_openai_cost(usage)) call.cost = cost;
}

bool apply_openai_error(const Json& body, CallRecord& call) {
  const bool bad_status = call.http_status.value_or(200) >= 400;
  Json error = body["error"];
  if (!error || error.is_null()) {
    if (body["object"].string() == "error" || bad_status) error = body;
  }
  if (!error || error.is_null()) return false;
  CallError out;
  out.in_stream = !bad_status;
  if (const auto text = error.string()) {
    out.message = *text;
  } else {
    out.message = error["message"].str();
    if (out.message.empty()) out.message = text_or_number(body["message"]);
    if (out.message.empty()) out.message = text_or_number(body["detail"]);
    out.type = error["type"].str();
    out.code = text_or_number(error["code"]);
  }
  out.body = body.dump();
  call.error = std::move(out);
  return true;
}

void apply_error_text(std::string_view text, CallRecord& call) {
  constexpr std::size_t kMaxText = 4096;
  if (call.http_status.value_or(200) < 400 || call.error) return;
  CallError error;
  error.message = text.substr(0, kMaxText);
  call.error = std::move(error);
}

ToolDefinition read_openai_tool(const Json& tool) {
  ToolDefinition out;
  out.wire_type = tool["type"].str();
  // {"type": "function", "function": {...}}, {"type": "custom", "custom": {...}}, or flat.
  const Json inner = first_object({tool["function"], tool["custom"], tool});
  out.name = inner["name"].str();
  out.description = inner["description"].str();
  out.null_description = inner["description"].is_null();
  for (const auto key : {"parameters", "format", "input_schema"}) {
    if (inner[key].is_object()) {
      out.schema = inner[key].dump();
      break;
    }
  }
  out.deferred = tool["defer_loading"].boolean().value_or(false) ||
                 inner["defer_loading"].boolean().value_or(false);
  return out;
}

void read_openai_tools(const Json& body, CallRecord& call) {
  for (const auto key : {"tools", "functions"}) {
    for (const auto tool : body[key].elements()) {
      if (tool.is_object()) call.tools.push_back(read_openai_tool(tool));
    }
  }
}

Part read_openai_tool_call(const Json& call) {
  Part part;
  part.kind = PartKind::kToolCall;
  part.wire_type = call["type"].str();
  if (part.wire_type.empty()) part.wire_type = "function";
  part.tool_id = call["id"].str();
  const Json function = first_object({call["function"], call["custom"]});
  part.tool_name = function["name"].str();
  for (const auto key : {"arguments", "input"}) {
    const Json given = function[key];
    if (!given || given.is_null()) continue;
    part.arguments = given.is_string() ? given.str() : given.dump();
    break;
  }
  return part;
}

namespace {

std::string audio_type(std::string_view format) {
  if (format.empty()) return "audio/wav";
  return format == "mp3" ? "audio/mpeg" : "audio/" + std::string(format);
}

Part read_media_part(std::string_view type, const Json& block) {
  if (type == "image_url" || type == "video_url" || type == "document_url" || type == "audio_url") {
    const Json url = block[type].is_object() ? block[type]["url"] : block[type];
    const PartKind kind = type == "image_url"   ? PartKind::kImage
                          : type == "video_url" ? PartKind::kVideo
                          : type == "audio_url" ? PartKind::kAudio
                                                : PartKind::kFile;
    return media_from_url(kind, type, url.string().value_or(""));
  }
  if (type == "input_audio") {
    const Json audio = block["input_audio"];
    const Json data = audio.is_object() ? audio["data"] : audio;
    return media_from_base64(PartKind::kAudio, type, audio_type(audio["format"].str()),
                             data.string().value_or(""));
  }
  const Json file = block["file"].is_object() ? block["file"] : block;
  Part part = media_from_url(PartKind::kFile, type, file["file_data"].string().value_or(""));
  for (const auto key : {"file_id", "filename", "file_url"}) {
    if (part.reference.empty()) part.reference = file[key].str();
  }
  return part;
}

Part read_content_part(const Json& block) {
  const std::string_view type = block["type"].string().value_or("");
  if (const auto text = block.string()) return text_part("text", *text);
  if (type == "text" || type == "input_text" || type == "output_text" ||
      (type.empty() && block["text"].is_string())) {
    return text_part(type, block["text"].string().value_or(""));
  }
  if (type == "refusal") {
    Part part = text_part(type, block["refusal"].string().value_or(""));
    part.kind = PartKind::kRefusal;
    return part;
  }
  if (type == "thinking") {  // [{"type": "text", "text"}] or a string
    Part part;
    part.kind = PartKind::kReasoning;
    part.wire_type = type;
    part.text = block["thinking"].str();
    for (const auto piece : block["thinking"].elements()) part.text += piece["text"].str();
    return part;
  }
  if (type == "image_url" || type == "video_url" || type == "document_url" || type == "audio_url" ||
      type == "input_audio" || type == "file") {
    return read_media_part(type, block);
  }
  Part part;
  part.kind = PartKind::kOther;
  part.wire_type = type;
  part.raw = dump_without_media(block);
  return part;
}

// Role `tool` (and the older `function`): the content is the result.
Part read_tool_result(const Json& message, std::string_view role) {
  Part part;
  part.kind = PartKind::kToolResult;
  part.wire_type = role;
  part.tool_id = message["tool_call_id"].str();
  part.tool_name = message["name"].str();
  const Json content = message["content"];
  if (const auto text = content.string()) {
    part.text = *text;
  } else if (content.is_array()) {
    for (const auto block : content.elements()) part.text += block["text"].str();
    part.raw = dump_without_media(content);
  } else if (content.is_object()) {
    part.text = content.dump();
  }
  return part;
}

void read_reasoning(const Json& message, Message& out) {
  for (const auto key : {"reasoning_content", "reasoning"}) {
    const auto text = message[key].string();
    if (!text || text->empty()) continue;
    Part part = text_part(key, *text);
    part.kind = PartKind::kReasoning;
    out.parts.push_back(std::move(part));
    return;
  }
}

// Model output that is no text: spoken audio, generated images.
void read_output_media(const Json& message, Message& out) {
  if (const Json audio = message["audio"]; audio.is_object()) {
    Part part;
    part.kind = PartKind::kAudio;
    part.text = audio["transcript"].str();
    part.reference = audio["id"].str();
    if (const auto data = audio["data"].string()) part.bytes = base64_size(*data);
    // Some servers send the member empty.
    const bool said = part.bytes || !part.text.empty() || !part.reference.empty();
    if (said) out.parts.push_back(std::move(part));
  }
  for (const auto image : message["images"].elements()) {
    out.parts.push_back(
        media_from_url(PartKind::kImage, "", image["image_url"]["url"].string().value_or("")));
  }
}

}  // namespace

void read_openai_content(const Json& content, Message& message) {
  if (const auto text = content.string()) {
    message.parts.push_back(text_part("", *text));
    return;
  }
  if (content.is_object()) message.parts.push_back(read_content_part(content));
  for (const auto block : content.elements()) message.parts.push_back(read_content_part(block));
}

Message read_openai_message(const Json& message) {
  Message out;
  out.role = message["role"].str();
  if (out.role == "tool" || out.role == "function") {
    out.parts.push_back(read_tool_result(message, out.role));
    return out;
  }
  read_reasoning(message, out);
  const Json content = message["content"];
  read_openai_content(content, out);
  if (const auto refusal = message["refusal"].string(); refusal && !refusal->empty()) {
    Part part = text_part("", *refusal);
    part.kind = PartKind::kRefusal;
    out.parts.push_back(std::move(part));
  }
  read_output_media(message, out);
  for (const auto call : message["tool_calls"].elements()) {
    out.parts.push_back(read_openai_tool_call(call));
  }
  if (const Json call = message["function_call"]; call.is_object()) {
    Part part;
    part.kind = PartKind::kToolCall;
    part.wire_type = "function_call";
    part.tool_name = call["name"].str();
    part.arguments = call["arguments"].str();
    if (!part.tool_name.empty() || !part.arguments.empty()) out.parts.push_back(std::move(part));
  }
  return out;
}

bool serving_endpoint(std::string_view path) {
  const auto segments = path_segments(path);
  return segments.size() >= 3 && segments.back() == "invocations" &&
         segments[segments.size() - 3] == "serving-endpoints";
}

std::optional<std::string> requested_model(const RequestHead& head, const Json& body) {
  if (const auto model = body["model"].string(); model && !model->empty()) {
    return std::string(*model);
  }
  for (const auto key : {"model_id", "agent_id"}) {  // watsonx; Mistral's agents
    if (const auto model = body[key].string()) return std::string(*model);
  }
  const auto segments = path_segments(head.path);
  for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
    if (segments[i] == "deployments" || segments[i] == "engines" ||
        segments[i] == "serving-endpoints") {
      return percent_decoded(segments[i + 1]);
    }
  }
  return std::nullopt;
}

void read_openai_identity(const Json& body, CallRecord& call) {
  for (const auto key : {"user", "safety_identifier"}) {
    if (call.user_id.empty()) call.user_id = body[key].str();
  }
  const Json metadata = body["metadata"];
  for (const auto key : {"session_id", "conversation_id", "thread_id"}) {
    if (call.session_id.empty()) call.session_id = metadata[key].str();
  }
  if (call.user_id.empty()) call.user_id = metadata["user_id"].str();
  if (call.session_id.empty()) call.session_id = body["prompt_cache_key"].str();
}

}  // namespace llmtap
