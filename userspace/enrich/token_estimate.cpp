// SPDX-License-Identifier: Apache-2.0
#include "userspace/enrich/token_estimate.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace llmtap {
namespace {

// What OpenAI's chat format adds, as its cookbook describes it and its answers confirm.
constexpr double kPerReply = 3;      // <|start|>assistant<|message|>
constexpr double kPerMessage = 4;    // <|start|>role<|message|>...<|end|>
constexpr double kPerCall = 3;       // of a tool
constexpr double kPerToolList = 9;   // the namespace around the definitions
constexpr double kPerTool = 7;
constexpr double kDefaultBytesPerToken = 4.0;
constexpr double kDecay = 0.98;      // weight of all earlier calls when one more is learned
constexpr double kMinBytes = 16;     // a shorter text says nothing of its model

bool text_operation(Operation operation) {
  return operation == Operation::kChat || operation == Operation::kTextCompletion ||
         operation == Operation::kEmbeddings;
}

// Tokens or bytes of one text.
using Measure = std::function<double(std::string_view)>;

double measure_part(const Part& part, const Measure& measure, double per_call) {
  switch (part.kind) {
    case PartKind::kToolCall:
      return measure(part.tool_name) + measure(part.arguments) + per_call;
    case PartKind::kOther:
      return measure(part.raw);
    default:
      return measure(part.text);
  }
}

// The schema as the model sees it is no JSON: keys and texts, without quotes and braces.
std::string schema_words(std::string_view schema) {
  std::string out;
  out.reserve(schema.size());
  for (const char c : schema) {
    if (c == '"' || c == '{' || c == '}' || c == '[' || c == ']' || c == ',' || c == ':') {
      if (!out.empty() && out.back() != ' ') out += ' ';
    } else {
      out += c;
    }
  }
  return out;
}

double input_tokens(const CallRecord& call, const Vocabulary& words) {
  const Measure tokens = [&](std::string_view text) {
    return static_cast<double>(words.count(text));
  };
  double sum = 0;
  for (const auto& document : call.documents) sum += tokens(document);
  const bool chat = call.operation == Operation::kChat;
  for (const auto& message : call.input) {
    if (chat) sum += kPerMessage;
    for (const auto& part : message.parts) sum += measure_part(part, tokens, kPerCall);
  }
  if (chat) sum += kPerReply;
  if (!call.tools.empty()) sum += kPerToolList;
  for (const auto& tool : call.tools) {
    sum += tokens(tool.name) + tokens(tool.description) + kPerTool;
    sum += tokens(schema_words(tool.schema));
  }
  return sum;
}

double output_tokens(const CallRecord& call, const Vocabulary& words) {
  double sum = 0;
  for (const auto& message : call.output) {
    for (const auto& part : message.parts) {
      sum += measure_part(
          part, [&](std::string_view text) { return static_cast<double>(words.count(text)); },
          kPerCall);
    }
  }
  return sum;
}

double size_of(std::string_view text) { return static_cast<double>(text.size()); }

double input_bytes(const CallRecord& call) {
  double sum = 0;
  for (const auto& document : call.documents) sum += size_of(document);
  for (const auto& message : call.input) {
    for (const auto& part : message.parts) sum += measure_part(part, size_of, 0);
  }
  for (const auto& tool : call.tools) {
    sum += size_of(tool.name) + size_of(tool.description) + size_of(tool.schema);
  }
  return sum;
}

double output_bytes(const CallRecord& call) {
  double sum = 0;
  for (const auto& message : call.output) {
    for (const auto& part : message.parts) sum += measure_part(part, size_of, 0);
  }
  return sum;
}

bool has_media(const std::vector<Message>& messages) {
  for (const auto& message : messages) {
    for (const auto& part : message.parts) {
      const bool media = part.kind == PartKind::kImage || part.kind == PartKind::kAudio ||
                         part.kind == PartKind::kVideo || part.kind == PartKind::kFile;
      if (media) return true;
    }
  }
  return false;
}

bool failed(const CallRecord& call) { return call.error || call.http_status.value_or(200) >= 400; }

std::string_view model_of(const CallRecord& call) {
  if (call.model_served && !call.model_served->empty()) return *call.model_served;
  return call.model_requested ? std::string_view(*call.model_requested) : std::string_view{};
}

std::string key_of(const CallRecord& call) {
  return call.provider + "/" + std::string(model_of(call));
}

std::uint64_t rounded(double tokens) { return static_cast<std::uint64_t>(std::llround(tokens)); }

}  // namespace

std::optional<Encoding> openai_encoding(std::string_view model) {
  if (model.starts_with("ft:")) model.remove_prefix(3);
  if (const auto slash = model.rfind('/'); slash != std::string_view::npos) {
    if (!model.substr(0, slash).ends_with("openai")) return std::nullopt;
    model.remove_prefix(slash + 1);
  }
  for (const auto prefix : {"gpt-4o", "gpt-4.", "gpt-5", "gpt-oss", "chatgpt-", "o1", "o3", "o4",
                            "codex-", "computer-use"}) {
    if (model.starts_with(prefix)) return Encoding::kO200kBase;
  }
  for (const auto prefix : {"gpt-3", "gpt-4", "text-embedding-", "davinci-", "babbage-"}) {
    if (model.starts_with(prefix)) return Encoding::kCl100kBase;
  }
  if (model.starts_with("gpt-")) return Encoding::kO200kBase;  // newer than this table
  return std::nullopt;
}

const Vocabulary& TokenEstimator::vocabulary(Encoding encoding) {
  auto& slot = encoding == Encoding::kCl100kBase ? cl100k_ : o200k_;
  if (!slot) slot = std::make_unique<Vocabulary>(Vocabulary::built_in(encoding));
  return *slot;
}

double TokenEstimator::bytes_per_token(const CallRecord& call, Rate Rates::*side) const {
  for (const auto& key : {key_of(call), call.provider}) {
    const auto found = rates_.find(key);
    if (found != rates_.end() && (found->second.*side).tokens > 0) {
      return (found->second.*side).bytes / (found->second.*side).tokens;
    }
  }
  return kDefaultBytesPerToken;
}

void TokenEstimator::learn_side(const CallRecord& call, Rate Rates::*side, double bytes,
                                double tokens) {
  if (bytes < kMinBytes || tokens < 1) return;
  for (const auto& key : {key_of(call), call.provider}) {
    if (rates_.size() >= kMaxModels && !rates_.contains(key)) continue;
    Rate& rate = rates_[key].*side;
    rate.bytes = rate.bytes * kDecay + bytes;
    rate.tokens = rate.tokens * kDecay + tokens;
  }
}

void TokenEstimator::learn(const CallRecord& call) {
  const Usage& usage = call.usage;
  if (usage.source != Usage::Source::kProvider || failed(call) || call.partial ||
      call.end != End::kComplete || !text_operation(call.operation)) {
    return;
  }
  if (usage.input() && !has_media(call.input)) {
    learn_side(call, &Rates::input, input_bytes(call), static_cast<double>(*usage.input()));
  }
  // Reasoning is counted but, with most, not shown.
  if (usage.output_visible && usage.reasoning.value_or(0) == 0 && !has_media(call.output)) {
    learn_side(call, &Rates::output, output_bytes(call), static_cast<double>(*usage.output()));
  }
}

std::optional<Usage> TokenEstimator::estimate(const CallRecord& call) {
  if (failed(call) || !text_operation(call.operation)) return std::nullopt;
  Usage usage;
  usage.source = Usage::Source::kEstimated;
  if (const auto encoding = openai_encoding(model_of(call))) {
    const Vocabulary& words = vocabulary(*encoding);
    usage.input_uncached = rounded(input_tokens(call, words));
    usage.output_visible = rounded(output_tokens(call, words));
  } else {
    usage.input_uncached = rounded(input_bytes(call) / bytes_per_token(call, &Rates::input));
    usage.output_visible = rounded(output_bytes(call) / bytes_per_token(call, &Rates::output));
  }
  if (call.operation == Operation::kEmbeddings) usage.output_visible.reset();
  if (*usage.input_uncached == 0 && usage.output_visible.value_or(0) == 0) return std::nullopt;
  return usage;
}

void TokenEstimator::apply(CallRecord& call) {
  if (!call.usage.empty()) return learn(call);
  if (auto usage = estimate(call)) call.usage = *usage;
}

}  // namespace llmtap
