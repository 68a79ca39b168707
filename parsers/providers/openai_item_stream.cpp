// SPDX-License-Identifier: Apache-2.0
#include "parsers/providers/openai_item_stream.h"

#include <algorithm>

#include "parsers/providers/common.h"
#include "parsers/providers/openai_items.h"
#include "parsers/providers/provider.h"

namespace llmtap {
namespace {

constexpr std::size_t kMaxItems = 4096;
constexpr std::size_t kMaxParts = 1024;

struct Delta {
  std::string_view type;
  PartKind kind;
  std::string_view wire_type;
};

// Current names and those of the Realtime beta, which some vendors still speak.
constexpr Delta kDeltas[] = {
    {"output_text.delta", PartKind::kText, "output_text"},
    {"text.delta", PartKind::kText, "output_text"},
    {"refusal.delta", PartKind::kRefusal, "refusal"},
    {"reasoning_summary_text.delta", PartKind::kReasoning, "reasoning"},
    {"reasoning_text.delta", PartKind::kReasoning, "reasoning"},
    {"function_call_arguments.delta", PartKind::kToolCall, "function_call"},
    {"custom_tool_call_input.delta", PartKind::kToolCall, "function_call"},
    {"mcp_call_arguments.delta", PartKind::kToolCall, "function_call"},
    {"output_audio_transcript.delta", PartKind::kAudio, "output_audio"},
    {"audio_transcript.delta", PartKind::kAudio, "output_audio"},
};

// Content too, but not kept: the finished item has it.
constexpr std::string_view kUnkept[] = {
    "code_interpreter_call_code.delta",
    "image_generation_call.partial_image",
};

// The n-th part of a kind; one past the last makes a new one.
Part& nth_part(Message& message, PartKind kind, std::uint64_t n) {
  Part* last = nullptr;
  std::uint64_t seen = 0;
  for (auto& part : message.parts) {
    if (part.kind != kind) continue;
    last = &part;
    if (seen++ == n) return part;
  }
  if (last != nullptr && message.parts.size() >= kMaxParts) return *last;
  message.parts.emplace_back().kind = kind;
  return message.parts.back();
}

}  // namespace

Message& ItemStream::message(const Json& event, CallRecord& call) {
  const auto index = event["output_index"].integer().value_or(0);
  const auto found = items_.find(index);
  if (found != items_.end() && found->second < call.output.size()) {
    return call.output[found->second];
  }
  if (items_.size() >= kMaxItems && !call.output.empty()) return call.output.back();
  items_[index] = call.output.size();
  call.output.emplace_back().role = "assistant";
  return call.output.back();
}

void ItemStream::item(const Json& event, CallRecord& call) {
  if (!event["item"].is_object()) return;
  message(event, call) = read_openai_item(event["item"]);
}

bool ItemStream::delta(std::string_view type, const Json& event, CallRecord& call) {
  if (type == "output_audio.delta" || type == "audio.delta") {
    Part& part = nth_part(message(event, call), PartKind::kAudio, 0);
    part.bytes = part.bytes.value_or(0) + base64_size(event["delta"].string().value_or(""));
    return true;
  }
  const auto row = std::find_if(std::begin(kDeltas), std::end(kDeltas),
                                [&](const Delta& row) { return row.type == type; });
  if (row == std::end(kDeltas)) {
    return std::find(std::begin(kUnkept), std::end(kUnkept), type) != std::end(kUnkept);
  }
  const auto text = event["delta"].string().value_or("");
  if (text.empty()) return false;
  std::uint64_t n = event["content_index"].count().value_or(0);
  // Reasoning and calls are one part of their item, whatever the index of the piece.
  if (row->kind != PartKind::kText && row->kind != PartKind::kRefusal) n = 0;
  Part& part = nth_part(message(event, call), row->kind, n);
  if (part.wire_type.empty()) part.wire_type = row->wire_type;
  if (row->kind == PartKind::kReasoning) part.raw.clear();  // its empty beginning
  (row->kind == PartKind::kToolCall ? part.arguments : part.text) += text;
  return true;
}

void ItemStream::event(std::string_view type, const Json& event, TimeNs ts_ns, CallRecord& call) {
  if (type == "output_item.added" || type == "output_item.done") {
    item(event, call);
  } else if (delta(type, event, call)) {
    mark_token(call, ts_ns);
  }
}

void ItemStream::replace(const Json& output, CallRecord& call) {
  if (output.size() > 0) {
    call.output.clear();
    for (const auto item : output.elements()) call.output.push_back(read_openai_item(item));
  }
  items_.clear();
}

}  // namespace llmtap
