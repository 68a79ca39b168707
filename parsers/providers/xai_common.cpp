// SPDX-License-Identifier: Apache-2.0
#include "parsers/providers/xai_common.h"

#include <iterator>
#include <optional>

#include "parsers/core/json.h"
#include "parsers/core/protobuf.h"
#include "parsers/providers/common.h"

namespace llmtap {
namespace {

using Field = ProtobufField;
using Schema = ProtobufSchema;
using Kind = Field::Kind;

// ---- Words of enums, by number ----
constexpr const char* kRoles[] = {"",         "user", "assistant", "system",
                                  "function", "tool", "developer"};
constexpr const char* kReasons[] = {"REASON_INVALID", "REASON_MAX_LEN",    "REASON_MAX_CONTEXT",
                                    "REASON_STOP",    "REASON_TOOL_CALLS", "REASON_TIME_LIMIT"};
constexpr const char* kTiers[] = {"", "default", "priority"};
constexpr const char* kCallTypes[] = {"function",
                                      "function",
                                      "web_search_tool",
                                      "x_search_tool",
                                      "code_execution_tool",
                                      "collections_search_tool",
                                      "mcp_tool",
                                      "attachment_search_tool",
                                      "",
                                      "",
                                      "image_generation_tool"};
constexpr const char* kEfforts[] = {"invalid", "low", "medium", "high", "none", "xhigh"};
constexpr const char* kModes[] = {"invalid", "auto", "none", "required"};
constexpr const char* kFormats[] = {"invalid", "text", "json_object", "json_schema"};
constexpr const char* kSearchModes[] = {"invalid", "off", "on", "auto"};
constexpr const char* kEncodings[] = {"invalid", "float", "base64"};
constexpr const char* kImageFormats[] = {"invalid", "base64", "url"};
constexpr const char* kQualities[] = {"invalid", "low", "medium", "high"};
constexpr const char* kIncludes[] = {"invalid",
                                     "web_search_call_output",
                                     "x_search_call_output",
                                     "code_execution_call_output",
                                     "collections_search_call_output",
                                     "attachment_search_call_output",
                                     "mcp_call_output",
                                     "inline_citations",
                                     "verbose_streaming",
                                     "code_execution_files_output"};
constexpr const char* kServerTools[] = {
    "invalid",      "web_search",         "x_search", "code_execution",    "view_image",
    "view_x_video", "collections_search", "mcp",      "attachment_search", "9",
    "image_search", "image_generation"};

// ---- Parameters ----
constexpr Field kChoiceFields[] = {{1, "mode", Kind::kEnum, false, nullptr, kModes},
                                   {2, "function_name", Kind::kText}};
constexpr Schema kChoice{kChoiceFields};
constexpr Field kFormatFields[] = {{1, "type", Kind::kEnum, false, nullptr, kFormats},
                                   {2, "schema", Kind::kText}};
constexpr Schema kFormat{kFormatFields};
constexpr Field kSearchFields[] = {{1, "mode", Kind::kEnum, false, nullptr, kSearchModes},
                                   {7, "return_citations", Kind::kBool},
                                   {8, "max_search_results", Kind::kInteger}};
constexpr Schema kSearch{kSearchFields};
constexpr Field kChatFields[] = {{3, "frequency_penalty", Kind::kFloat},
                                 {5, "logprobs", Kind::kBool},
                                 {6, "top_logprobs", Kind::kInteger},
                                 {7, "max_tokens", Kind::kInteger},
                                 {8, "n", Kind::kInteger},
                                 {9, "presence_penalty", Kind::kFloat},
                                 {10, "response_format", Kind::kMessage, false, &kFormat},
                                 {11, "seed", Kind::kInteger},
                                 {12, "stop", Kind::kText, true},
                                 {14, "temperature", Kind::kFloat},
                                 {15, "top_p", Kind::kFloat},
                                 {16, "user", Kind::kText},
                                 {18, "tool_choice", Kind::kMessage, false, &kChoice},
                                 {19, "reasoning_effort", Kind::kEnum, false, nullptr, kEfforts},
                                 {20, "search_parameters", Kind::kMessage, false, &kSearch},
                                 {21, "parallel_tool_calls", Kind::kBool},
                                 {22, "previous_response_id", Kind::kText},
                                 {23, "store_messages", Kind::kBool},
                                 {24, "use_encrypted_content", Kind::kBool},
                                 {25, "max_turns", Kind::kInteger},
                                 {26, "include", Kind::kEnum, true, nullptr, kIncludes},
                                 {31, "service_tier", Kind::kEnum, false, nullptr, kTiers},
                                 {34, "safety_identifier", Kind::kText}};
constexpr Field kSampleFields[] = {{5, "logprobs", Kind::kBool},
                                   {6, "top_logprobs", Kind::kInteger},
                                   {7, "max_tokens", Kind::kInteger},
                                   {8, "n", Kind::kInteger},
                                   {9, "presence_penalty", Kind::kFloat},
                                   {11, "seed", Kind::kInteger},
                                   {12, "stop", Kind::kText, true},
                                   {13, "frequency_penalty", Kind::kFloat},
                                   {14, "temperature", Kind::kFloat},
                                   {15, "top_p", Kind::kFloat},
                                   {17, "user", Kind::kText}};
constexpr Field kEmbedFields[] = {{3, "encoding_format", Kind::kEnum, false, nullptr, kEncodings},
                                  {4, "user", Kind::kText}};
constexpr Field kImageFields[] = {{3, "n", Kind::kInteger},
                                  {4, "user", Kind::kText},
                                  {11, "format", Kind::kEnum, false, nullptr, kImageFormats},
                                  {12, "quality", Kind::kEnum, false, nullptr, kQualities}};

// ---- Counts of a usage besides tokens ----
constexpr Field kBesidesFields[] = {
    {8, "num_sources_used", Kind::kInteger},
    {9, "server_side_tools_used", Kind::kEnum, true, nullptr, kServerTools}};
constexpr Schema kBesides{kBesidesFields};

template <std::size_t N>
std::string word(const char* const (&words)[N], std::uint64_t number) {
  return number < N ? words[number] : std::to_string(number);
}

Part read_file(std::string_view message) {
  Part part = media_from_url(PartKind::kFile, "file", "");
  std::string_view name;
  for (ProtobufReader field(message); field.next();) {
    switch (field.number()) {
      case 1:
        part.reference = field.bytes();
        break;
      case 2:
        part.bytes = field.bytes().size();
        break;
      case 3:
        name = field.bytes();
        break;
      case 4:
        part.media_type = field.bytes();
        break;
      case 5:
        part.reference = media_from_url(PartKind::kFile, "", field.bytes()).reference;
        break;
      default:
        break;
    }
  }
  if (part.reference.empty()) part.reference = name;
  return part;
}

ToolDefinition read_function(std::string_view message) {
  ToolDefinition tool;
  for (ProtobufReader field(message); field.next();) {
    if (field.number() == 1) tool.name = field.bytes();
    if (field.number() == 2) tool.description = field.bytes();
    if (field.number() == 4) {  // a JSON text
      JsonDocument document;
      tool.schema = document.parse(field.bytes()).dump();
    }
  }
  return tool;
}

// A Message: a role, and contents of one kind each.
bool is_message(std::string_view message) {
  bool role = false;
  ProtobufReader field(message);
  while (field.next()) {
    if (field.number() == 2) role = !field.has_bytes() && field.integer() < std::size(kRoles);
    if (field.number() > 7 || field.has_bytes() == (field.number() == 2)) return false;
    if (field.number() != 1) continue;
    ProtobufReader content(field.bytes());
    while (content.next()) {
      if (content.number() > 3 || !content.has_bytes()) return false;
    }
    if (!content.ok()) return false;
  }
  return field.ok() && role;
}

}  // namespace

const Schema kXaiChatParams{kChatFields};
const Schema kXaiSampleParams{kSampleFields};
const Schema kXaiEmbedParams{kEmbedFields};
const Schema kXaiImageParams{kImageFields};

std::string xai_role(std::uint64_t number) { return word(kRoles, number); }
std::string xai_finish_reason(std::uint64_t number) { return word(kReasons, number); }
std::string xai_service_tier(std::uint64_t number) { return word(kTiers, number); }

Part read_xai_image(std::string_view message) {
  Part part = media_from_url(PartKind::kImage, "image_url", "");
  for (ProtobufReader field(message); field.next();) {
    if (field.number() == 1) part = media_from_url(PartKind::kImage, "image_url", field.bytes());
    if (field.number() == 3) part.reference = field.bytes();
  }
  return part;
}

Part read_xai_content(std::string_view message) {
  Part part;
  for (ProtobufReader field(message); field.next();) {
    if (field.number() == 1) part = text_part("text", field.bytes());
    if (field.number() == 2) part = read_xai_image(field.bytes());
    if (field.number() == 3) part = read_file(field.bytes());
  }
  return part;
}

Part read_xai_tool_call(std::string_view message) {
  Part part;
  part.kind = PartKind::kToolCall;
  part.wire_type = kCallTypes[0];
  for (ProtobufReader field(message); field.next();) {
    if (field.number() == 1) part.tool_id = field.bytes();
    if (field.number() == 2) part.wire_type = word(kCallTypes, field.integer());
    if (field.number() != 10) continue;
    for (ProtobufReader function(field.bytes()); function.next();) {
      if (function.number() == 1) part.tool_name = function.bytes();
      if (function.number() == 2) part.arguments = function.bytes();
    }
  }
  return part;
}

ToolDefinition read_xai_tool(std::string_view message) {
  constexpr const char* kTools[] = {"",
                                    "function",
                                    "",
                                    "web_search",
                                    "x_search",
                                    "code_execution",
                                    "collections_search",
                                    "mcp",
                                    "attachment_search",
                                    "",
                                    "image_generation"};
  ToolDefinition tool;
  for (ProtobufReader field(message); field.next();) {
    tool = field.number() == 1 ? read_function(field.bytes()) : ToolDefinition{};
    tool.wire_type = word(kTools, field.number());
    if (tool.name.empty()) tool.name = tool.wire_type;
  }
  return tool;
}

bool is_xai_chat_request(std::string_view message) {
  constexpr std::uint32_t kLastField = 64;  // some room for what is new
  bool asks = false, ours = false;
  ProtobufReader field(message);
  while (field.next()) {
    if (field.number() > kLastField) return false;
    if (field.number() == 2) ours = field.bytes().find("grok") != std::string_view::npos;
    if (field.number() != 1) continue;
    if (!field.has_bytes() || !is_message(field.bytes())) return false;
    asks = true;
  }
  return field.ok() && asks && ours;
}

// Whether reasoning is beside or inside of the completion
// the total says; beside, if it says neither.
void read_xai_usage(std::string_view message, CallRecord& call) {
  constexpr double kTicksPerUsd = 1e10;
  std::optional<std::uint64_t> prompt, completion;
  std::optional<std::uint64_t> ticks;
  Usage& usage = call.usage;
  for (ProtobufReader field(message); field.next();) {
    const std::uint64_t count = field.integer();
    if (field.has_bytes() || count >> 62 != 0) continue;  // negative
    switch (field.number()) {
      case 1:
        completion = count;
        break;
      case 2:
        prompt = count;
        break;
      case 3:
        usage.total_reported = count;
        break;
      case 5:
        usage.input_image = count;
        break;
      case 6:
        usage.reasoning = count;
        break;
      case 7:
        usage.cache_read = count;
        break;
      case 11:
        ticks = count;
        break;
      default:
        break;
    }
  }
  const std::uint64_t cached = usage.cache_read.value_or(0), thought = usage.reasoning.value_or(0);
  if (prompt) usage.input_uncached = *prompt >= cached ? *prompt - cached : *prompt;
  if (completion) {
    const bool inside =
        thought <= *completion && usage.total_reported == prompt.value_or(0) + *completion;
    usage.output_visible = inside ? *completion - thought : *completion;
  }
  if (ticks) {
    Cost cost;
    cost.total_usd = static_cast<double>(*ticks) / kTicksPerUsd;
    cost.source = Cost::Source::kProvider;
    call.cost = cost;
  }
  JsonDocument document;
  for (const auto [name, value] : document.parse(message_json(message, kBesides)).members()) {
    call.vendor.push_back({std::string(name), value.dump()});
  }
}

}  // namespace llmtap
