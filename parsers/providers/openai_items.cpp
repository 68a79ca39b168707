// SPDX-License-Identifier: Apache-2.0
#include "parsers/providers/openai_items.h"

#include <initializer_list>

#include "parsers/providers/common.h"

namespace llmtap {
namespace {

Part other_part(std::string_view type, const Json& block) {
  Part part;
  part.kind = PartKind::kOther;
  part.wire_type = type;
  part.raw = dump_without_media(block);
  return part;
}

std::string first_string(const Json& object, std::initializer_list<std::string_view> keys) {
  for (const auto key : keys) {
    if (const auto text = object[key].string(); text && !text->empty()) return std::string(*text);
  }
  return {};
}

Part read_image(std::string_view type, const Json& block) {
  const Json url = block["image_url"].is_object() ? block["image_url"]["url"] : block["image_url"];
  Part part = media_from_url(PartKind::kImage, type, url.string().value_or(""));
  if (part.reference.empty() && !part.bytes) part.reference = block["file_id"].str();
  return part;
}

Part read_file(std::string_view type, const Json& block) {
  Part part = media_from_url(PartKind::kFile, type, block["file_data"].string().value_or(""));
  if (part.reference.empty()) {
    part.reference = first_string(block, {"file_url", "file_id", "filename"});
  }
  return part;
}

// Audio is counted, its transcript kept.
Part read_audio(std::string_view type, const Json& block) {
  Part part;
  part.kind = PartKind::kAudio;
  part.wire_type = type;
  part.text = block["transcript"].str();
  const Json inner = block["input_audio"].is_object() ? block["input_audio"] : block;
  const auto data = first_string(inner, {"audio", "data"});
  if (!data.empty()) part.bytes = base64_size(data);
  return part;
}

Part read_block(const Json& block) {
  if (const auto text = block.string()) return text_part("", *text);
  const std::string_view type = block["type"].string().value_or("");
  if (type == "refusal") {
    Part part = text_part(type, block["refusal"].string().value_or(""));
    part.kind = PartKind::kRefusal;
    return part;
  }
  if (type.ends_with("image")) return read_image(type, block);
  if (type.ends_with("file")) return read_file(type, block);
  if (type.ends_with("audio")) return read_audio(type, block);
  if (const auto text = block["text"].string()) return text_part(type, *text);
  return other_part(type, block);
}

// The model's thoughts: summaries where it gives any, else the text of open models.
Message read_reasoning(const Json& item) {
  Message out;
  Part part;
  part.kind = PartKind::kReasoning;
  part.wire_type = "reasoning";
  for (const auto key : {"summary", "content"}) {
    for (const auto block : item[key].elements()) {
      if (!part.text.empty()) part.text += '\n';
      part.text += block["text"].str();
    }
    if (!part.text.empty()) break;
  }
  part.raw = dump_without_media(item);
  out.role = "assistant";
  out.parts.push_back(std::move(part));
  return out;
}

Part read_call(std::string_view type, const Json& item) {
  Part part;
  part.kind = PartKind::kToolCall;
  part.wire_type = type;
  part.tool_name = item["name"].str();
  part.tool_id = first_string(item, {"call_id", "id"});
  const Json arguments = item["arguments"].exists() ? item["arguments"] : item["input"];
  part.arguments = arguments.is_string() ? arguments.str() : arguments.dump();
  return part;
}

Part read_result(std::string_view type, const Json& item) {
  Part part;
  part.kind = PartKind::kToolResult;
  part.wire_type = type;
  part.tool_name = item["name"].str();
  part.tool_id = item["call_id"].str();
  const Json output = item["output"];
  if (const auto text = output.string()) {
    part.text = *text;
  } else if (output.is_array()) {
    for (const auto block : output.elements()) part.text += block["text"].str();
    part.raw = dump_without_media(output);
  } else if (output.is_object()) {
    part.text = dump_without_media(output);
  }
  return part;
}

// A tool that the provider itself has called: call and result in one item.
Message read_mcp_call(const Json& item) {
  Message out;
  out.role = "assistant";
  Part call = read_call("mcp_call", item);
  call.tool_id = item["id"].str();
  Part result;
  result.kind = PartKind::kToolResult;
  result.wire_type = "mcp_call";
  result.tool_id = call.tool_id;
  result.tool_name = call.tool_name;
  result.text = item["output"].str();
  if (item["error"].is_object()) result.raw = item["error"].dump();
  out.parts.push_back(std::move(call));
  out.parts.push_back(std::move(result));
  return out;
}

Message read_generated_image(const Json& item) {
  Message out;
  out.role = "assistant";
  const auto format = item["output_format"].string().value_or("png");
  Part part =
      media_from_base64(PartKind::kImage, "image_generation_call", "image/" + std::string(format),
                        item["result"].string().value_or(""));
  if (!item["result"].is_string()) part.bytes.reset();
  part.text = item["revised_prompt"].str();
  out.parts.push_back(std::move(part));
  return out;
}

Message with_part(std::string_view role, Part part) {
  Message out;
  out.role = role;
  out.parts.push_back(std::move(part));
  return out;
}

Message read_by_type(std::string_view type, const Json& item) {
  if (type == "reasoning") return read_reasoning(item);
  if (type == "function_call" || type == "custom_tool_call") {
    return with_part("assistant", read_call(type, item));
  }
  if (type == "function_call_output" || type == "custom_tool_call_output") {
    return with_part("user", read_result(type, item));
  }
  if (type == "computer_call_output") return with_part("user", read_image(type, item["output"]));
  if (type == "mcp_call") return read_mcp_call(item);
  if (type == "image_generation_call") return read_generated_image(item);
  Message out;
  out.role = item["role"].str();
  if (item["content"].exists() && !out.role.empty()) {
    read_openai_item_content(item["content"], out);
    return out;
  }
  if (out.role.empty()) out.role = "assistant";
  out.parts.push_back(other_part(type, item));
  return out;
}

}  // namespace

void read_openai_item_content(const Json& content, Message& message) {
  if (const auto text = content.string()) message.parts.push_back(text_part("", *text));
  for (const auto block : content.elements()) message.parts.push_back(read_block(block));
}

Message read_openai_item(const Json& item) {
  if (const auto text = item.string()) return with_part("user", text_part("", *text));
  Message out = read_by_type(item["type"].string().value_or(""), item);
  out.id = item["id"].str();
  return out;
}

}  // namespace llmtap
