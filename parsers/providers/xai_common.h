// SPDX-License-Identifier: Apache-2.0
//
// xAI's messages: readers of their parts, and the parameters of its requests. Field numbers are
// those of https://github.com/xai-org/xai-proto (proto/xai/api/v1).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "parsers/core/call_record.h"
#include "parsers/providers/protobuf_json.h"

namespace llmtap {

// Parameters of GetCompletionsRequest, SampleTextRequest, EmbedRequest and GenerateImageRequest, by
// the names of xAI's REST API.
extern const ProtobufSchema kXaiChatParams;
extern const ProtobufSchema kXaiSampleParams;
extern const ProtobufSchema kXaiEmbedParams;
extern const ProtobufSchema kXaiImageParams;

// Words of enums; a number that has none is its own.
std::string xai_role(std::uint64_t number);           // "assistant"
std::string xai_finish_reason(std::uint64_t number);  // "REASON_STOP", as the SDK says it
std::string xai_service_tier(std::uint64_t number);   // "priority"

Part read_xai_image(std::string_view image_url_content);
// Content of a message, or an input to embed.
Part read_xai_content(std::string_view content);
Part read_xai_tool_call(std::string_view tool_call);
// A function, or a tool of the vendor's; of that its kind only: its settings may hold keys.
ToolDefinition read_xai_tool(std::string_view tool);
// SamplingUsage: tokens, cost, and what else is counted.
void read_xai_usage(std::string_view usage, CallRecord& call);

// True if a message can only be a GetCompletionsRequest: every field is one of its own, and the model
// is one of xAI's.
bool is_xai_chat_request(std::string_view message);

}  // namespace llmtap
