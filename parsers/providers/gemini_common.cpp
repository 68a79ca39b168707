// SPDX-License-Identifier: Apache-2.0
#include "parsers/providers/gemini_common.h"

#include <array>
#include <cctype>
#include <charconv>

#include "parsers/providers/common.h"

namespace llmtap {
namespace {

// Numbers of google.ai.generativelanguage and of google.cloud.aiplatform.
constexpr std::array<std::string_view, 12> kGeminiReasons = {"FINISH_REASON_UNSPECIFIED",
                                                             "STOP",
                                                             "MAX_TOKENS",
                                                             "SAFETY",
                                                             "RECITATION",
                                                             "OTHER",
                                                             "LANGUAGE",
                                                             "BLOCKLIST",
                                                             "PROHIBITED_CONTENT",
                                                             "SPII",
                                                             "MALFORMED_FUNCTION_CALL",
                                                             "IMAGE_SAFETY"};
constexpr std::array<std::string_view, 12> kVertexReasons = {"FINISH_REASON_UNSPECIFIED",
                                                             "STOP",
                                                             "MAX_TOKENS",
                                                             "SAFETY",
                                                             "RECITATION",
                                                             "OTHER",
                                                             "BLOCKLIST",
                                                             "PROHIBITED_CONTENT",
                                                             "SPII",
                                                             "MALFORMED_FUNCTION_CALL",
                                                             "MODEL_ARMOR",
                                                             "IMAGE_SAFETY"};
constexpr std::array<std::string_view, 6> kBlockReasons = {
    "BLOCKED_REASON_UNSPECIFIED", "SAFETY",      "OTHER", "BLOCKLIST",
    "PROHIBITED_CONTENT",         "IMAGE_SAFETY"};
constexpr std::array<std::string_view, 6> kModalities = {"",      "TEXT",  "IMAGE",
                                                         "VIDEO", "AUDIO", "DOCUMENT"};

template <std::size_t N>
std::string word(const Json& value, const std::array<std::string_view, N>& words) {
  if (const auto text = value.string()) return std::string(*text);
  const auto number = value.count();
  if (!number) return {};
  return *number < N ? std::string(words[*number]) : std::to_string(*number);
}

PartKind media_kind(std::string_view media_type) {
  if (media_type.starts_with("image/")) return PartKind::kImage;
  if (media_type.starts_with("audio/")) return PartKind::kAudio;
  if (media_type.starts_with("video/")) return PartKind::kVideo;
  return PartKind::kFile;
}

Part read_inline(const Json& data) {
  const auto type = google_member(data, "mimeType").string().value_or("");
  return media_from_base64(media_kind(type), "inlineData", type,
                           data["data"].string().value_or(""));
}

Part read_file(const Json& data) {
  Part part;
  part.media_type = google_member(data, "mimeType").str();
  part.kind = media_kind(part.media_type);
  part.wire_type = "fileData";
  part.reference = google_member(data, "fileUri").str();
  return part;
}

Part read_call(std::string_view type, const Json& call) {
  Part part;
  part.kind = PartKind::kToolCall;
  part.wire_type = type;
  part.tool_name =
      call["name"].exists() ? call["name"].str() : google_member(call, "toolType").str();
  part.tool_id = call["id"].str();
  part.arguments = call["args"].dump();
  return part;
}

Part read_response(std::string_view type, const Json& response) {
  Part part;
  part.kind = PartKind::kToolResult;
  part.wire_type = type;
  part.tool_name = response["name"].exists() ? response["name"].str()
                                             : google_member(response, "toolType").str();
  part.tool_id = response["id"].str();
  part.text = dump_without_media(response["response"]);
  return part;
}

Part other(std::string_view type, const Json& block) {
  Part part;
  part.kind = PartKind::kOther;
  part.wire_type = type;
  part.raw = dump_without_media(block);
  return part;
}

void read_modalities(const Json& details, std::optional<std::uint64_t>& audio,
                     std::optional<std::uint64_t>& image) {
  for (const auto detail : details.elements()) {
    const auto modality = word(detail["modality"], kModalities);
    const auto tokens = google_member(detail, "tokenCount").count();
    if (modality == "AUDIO") audio = tokens;
    if (modality == "IMAGE") image = tokens;
  }
}

}  // namespace

std::string_view google_method(std::string_view path) {
  path = bare_path(path);
  const auto segment = path.substr(path.rfind('/') + 1);
  const auto colon = segment.rfind(':');
  return colon == std::string_view::npos ? std::string_view{} : segment.substr(colon + 1);
}

std::optional<std::string> google_model(std::string_view path) {
  path = bare_path(path);
  const auto segment = path.substr(path.rfind('/') + 1);
  const auto model = segment.substr(0, segment.rfind(':'));
  if (model.empty() || model == "v1internal") return std::nullopt;
  return percent_decoded(model);
}

bool vertex_path(std::string_view path) {
  return path.find("/publishers/") != std::string_view::npos ||
         path.find("/projects/") != std::string_view::npos;
}

Json google_member(const Json& object, std::string_view camel) {
  if (const Json found = object[camel]) return found;
  std::string snake;
  for (const char c : camel) {
    if (std::isupper(static_cast<unsigned char>(c))) {
      snake += '_';
      snake += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else {
      snake += c;
    }
  }
  return object[snake];
}

Part read_google_part(const Json& block) {
  if (const auto text = block.string()) return text_part("text", *text);
  if (const auto text = block["text"].string()) {
    Part part = text_part("text", *text);
    if (block["thought"].boolean().value_or(false)) part.kind = PartKind::kReasoning;
    return part;
  }
  if (const Json data = google_member(block, "inlineData")) return read_inline(data);
  if (const Json data = google_member(block, "fileData")) return read_file(data);
  if (const Json call = google_member(block, "functionCall"))
    return read_call("functionCall", call);
  if (const Json call = google_member(block, "toolCall")) return read_call("toolCall", call);
  if (const Json answer = google_member(block, "functionResponse")) {
    return read_response("functionResponse", answer);
  }
  if (const Json answer = google_member(block, "toolResponse")) {
    return read_response("toolResponse", answer);
  }
  if (const Json code = google_member(block, "executableCode"))
    return other("executableCode", code);
  if (const Json result = google_member(block, "codeExecutionResult")) {
    return other("codeExecutionResult", result);
  }
  return other("", block);
}

Message read_google_content(const Json& content, std::string_view role) {
  Message message;
  message.role = content["role"].string().value_or(role);
  if (content.is_string()) message.parts.push_back(read_google_part(content));
  const Json parts = content["parts"];
  if (parts.is_object()) message.parts.push_back(read_google_part(parts));
  for (const auto part : parts.elements()) message.parts.push_back(read_google_part(part));
  return message;
}

void read_google_tools(const Json& body, CallRecord& call) {
  for (const auto tool : body["tools"].elements()) {
    bool functions = false;
    for (const auto declared : google_member(tool, "functionDeclarations").elements()) {
      ToolDefinition out;
      out.name = declared["name"].str();
      out.description = declared["description"].str();
      out.wire_type = "function";
      for (const auto key : {"parameters", "parametersJsonSchema"}) {
        if (const Json schema = google_member(declared, key); schema.is_object()) {
          out.schema = schema.dump();
          break;
        }
      }
      call.tools.push_back(std::move(out));
      functions = true;
    }
    if (functions) continue;
    for (const auto [name, settings] : tool.members()) {  // {"googleSearch": {}}
      ToolDefinition out;
      out.wire_type = name;
      call.tools.push_back(std::move(out));
    }
  }
}

void read_google_usage(const Json& usage, CallRecord& call) {
  if (!usage.is_object()) return;
  Usage out;
  out.cache_read = google_member(usage, "cachedContentTokenCount").count();
  if (const auto prompt = google_member(usage, "promptTokenCount").count()) {
    const auto cached = out.cache_read.value_or(0);
    out.input_uncached = *prompt >= cached ? *prompt - cached : *prompt;
  }
  out.tool_prompt = google_member(usage, "toolUsePromptTokenCount").count();
  out.output_visible = google_member(usage, "candidatesTokenCount").count();
  if (!out.output_visible) out.output_visible = google_member(usage, "responseTokenCount").count();
  out.reasoning = google_member(usage, "thoughtsTokenCount").count();
  out.total_reported = google_member(usage, "totalTokenCount").count();
  read_modalities(google_member(usage, "promptTokensDetails"), out.input_audio, out.input_image);
  read_modalities(google_member(usage, "candidatesTokensDetails"), out.output_audio,
                  out.output_image);
  if (!out.empty()) call.usage = out;
  for (const auto key : {"trafficType", "serviceTier"}) {
    if (const auto tier = google_member(usage, key).string()) note_service_tier(*tier, call);
  }
}

namespace {

// "7s", "1.5s".
std::optional<double> seconds(std::string_view text) {
  if (!text.ends_with('s')) return std::nullopt;
  text.remove_suffix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

}  // namespace

void read_google_error(const Json& error, CallRecord& call) {
  if (!error.is_object()) return;
  for (const auto detail : error["details"].elements()) {  // google.rpc.RetryInfo
    const auto delay = seconds(detail["retryDelay"].string().value_or(""));
    if (delay && !call.retry_after_s) call.retry_after_s = delay;
  }
  if (call.error) return;
  CallError out;
  out.in_stream = call.http_status.value_or(200) < 400;
  out.type = error["status"].str();
  out.code = error["code"].is_number() ? error["code"].dump() : error["code"].str();
  out.message = error["message"].str();
  out.body = error.dump();
  call.error = std::move(out);
}

std::string google_finish_reason(const Json& reason, bool vertex) {
  return word(reason, vertex ? kVertexReasons : kGeminiReasons);
}

std::string google_block_reason(const Json& reason) { return word(reason, kBlockReasons); }

}  // namespace llmtap
