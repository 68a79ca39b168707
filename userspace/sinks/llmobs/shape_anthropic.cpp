// SPDX-License-Identifier: Apache-2.0
//
// dd-trace-py's `anthropic` integration (datadog-llmobs 5.3): every content block is a message of
// its own; the model is the one that was asked for.
#include <algorithm>
#include <cctype>

#include "userspace/sinks/llmobs/shape.h"

namespace llmtap::llmobs {
namespace {

constexpr std::string_view kImageMarker = "([IMAGE DETECTED])";

std::string request_name(const CallRecord&) { return "anthropic.request"; }

std::string model(const CallRecord& call) {
  if (call.model_requested && !call.model_requested->empty()) return *call.model_requested;
  return served_model(call, "unknown");
}

std::string provider(const CallRecord& call) {
  std::string url = call.host + call.path.substr(0, call.path.find('?'));
  std::transform(url.begin(), url.end(), url.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto has = [&](std::string_view word) { return url.find(word) != std::string::npos; };
  if (has("bedrock")) return "amazon";
  if (has("google")) return "google";
  if (has("anthropic")) return "anthropic";
  return "unknown";
}

// A result that is a list: its non-empty texts joined by ',', images as a marker; an object: JSON.
std::string result_text(const Part& part) {
  if (part.raw.empty()) return part.text;
  const Value content = json_or_string(part.raw);
  if (!content.is_array()) return python_json(content.dump());  // keys sorted
  std::string joined;
  for (const auto& block : content) {
    std::string piece;
    if (member(block, "type") == "image") {
      piece = kImageMarker;
    } else {
      piece = member(block, "text");
    }
    if (piece.empty()) continue;
    if (!joined.empty()) joined += ',';
    joined += piece;
  }
  return joined;
}

Value block_message(const Part& part, const std::string& role) {
  switch (part.kind) {
    case PartKind::kReasoning:
      if (part.wire_type == "thinking") return message("reasoning", part.text);
      return message(role, part.raw);
    case PartKind::kToolCall: {
      Value shaped = message(role, "");
      shaped["tool_calls"] = Value::array({tool_call(part, part.wire_type)});
      return shaped;
    }
    case PartKind::kToolResult: {
      Value shaped = message(role, "");
      shaped["tool_results"] = Value::array(
          {{{"result", result_text(part)}, {"tool_id", part.tool_id}, {"type", "tool_result"}}});
      return shaped;
    }
    case PartKind::kImage:
      return message(role, kImageMarker);
    case PartKind::kText:
    case PartKind::kRefusal:
      return message(role, part.text);
    default:
      return message(role, part.raw);
  }
}

Value messages(const std::vector<Message>& list) {
  Value shaped = Value::array();
  for (const auto& wire : list) {
    for (const auto& part : wire.parts) shaped.push_back(block_message(part, wire.role));
  }
  return shaped;
}

Value input(const CallRecord& call) { return {{"messages", messages(call.input)}}; }

Value output(const CallRecord& call) {
  auto list = messages(call.output);
  if (list.empty()) list.push_back(message("", ""));
  return {{"messages", std::move(list)}};
}

Value metadata(const CallRecord& call) {
  Value picked = pick_params(call, {"temperature", "max_tokens"});
  for (auto it = picked.begin(); it != picked.end();) {  // only what is true in Python
    const bool falsy = it->is_null() || (it->is_number() && it->get<double>() == 0);
    it = falsy ? picked.erase(it) : std::next(it);
  }
  return picked;
}

Value metrics(const CallRecord& call) {
  Value metrics = usage_metrics(call);
  metrics.erase("reasoning_output_tokens");
  const Usage& usage = call.usage;
  if (usage.cache_write) {
    const auto hour = usage.cache_write_1h.value_or(0);
    metrics["ephemeral_1h_input_tokens"] = hour;
    metrics["ephemeral_5m_input_tokens"] =
        usage.cache_write_5m.value_or(*usage.cache_write - std::min(hour, *usage.cache_write));
  }
  return metrics;
}

}  // namespace

const Shape kAnthropicShape = {"anthropic", request_name,     model,   provider,     input, output,
                               metadata,    tool_definitions, metrics, "anthropic.", ""};

}  // namespace llmtap::llmobs
