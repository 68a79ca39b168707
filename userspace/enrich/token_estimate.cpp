// SPDX-License-Identifier: Apache-2.0
#include "userspace/enrich/token_estimate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "userspace/enrich/tool_text.h"

namespace llmtap {
namespace {

// What OpenAI's chat format adds: as its cookbook says, and as the counts in recorded answers show
// to the token for text, to a few for tools.
constexpr double kPerMessage = 4;       // <|start|>role<|message|>...<|end|>
constexpr double kReplyBegin = 3;       // <|start|>assistant<|message|>
constexpr double kReasoningReply = 2;   // reasoning models begin their reply with one less
constexpr double kReasoningOutput = 4;  // and end each channel of it
constexpr double kReasoningTools = 84;  // chat completions of gpt-5 with tools: a preface
constexpr double kRoughPerMessage = 4;  // of everybody else's formats, before they are known

constexpr double kMaxCounted = 512 << 10;  // bytes

bool text_operation(Operation operation) {
  return operation == Operation::kChat || operation == Operation::kTextCompletion ||
         operation == Operation::kEmbeddings;
}

// Tokens or bytes of one text.
using Measure = std::function<double(std::string_view)>;

double measure_part(const Part& part, const Measure& measure) {
  switch (part.kind) {
    case PartKind::kToolCall:
      return measure(part.tool_name) + measure(part.arguments);
    case PartKind::kOther:
      return measure(part.raw);
    default:
      return measure(part.text);
  }
}

// Counts up to kMaxCounted bytes of a call; what is beyond has the rate of what was counted. Calls
// are estimated on the thread that also empties the kernel's ring.
class Counter {
 public:
  explicit Counter(const Vocabulary& words) : words_(words) {}
  double operator()(std::string_view text) {
    if (bytes_ > kMaxCounted) return static_cast<double>(text.size()) * tokens_ / bytes_;
    const auto tokens = static_cast<double>(words_.count(text));
    bytes_ += static_cast<double>(text.size());
    tokens_ += tokens;
    return tokens;
  }

 private:
  const Vocabulary& words_;
  double bytes_ = 0, tokens_ = 0;
};

// One call stands for itself; several are wrapped as one call with a list.
double calls_overhead(const Message& message) {
  const auto calls = std::count_if(message.parts.begin(), message.parts.end(),
                                   [](const Part& p) { return p.kind == PartKind::kToolCall; });
  return calls == 0 ? 0 : calls == 1 ? 7 : 8 + 10 * static_cast<double>(calls);
}

bool reasons(std::string_view model) {
  for (const auto prefix : {"gpt-5", "o1", "o3", "o4"}) {
    if (model.starts_with(prefix)) return true;
  }
  return false;
}

double input_tokens(const CallRecord& call, const Vocabulary& words, bool reasoning) {
  const Measure tokens = Counter(words);
  double sum = 0;
  for (const auto& document : call.documents) sum += tokens(document);
  const bool chat = call.operation == Operation::kChat;
  for (const auto& message : call.input) {
    if (chat) sum += kPerMessage + calls_overhead(message);
    for (const auto& part : message.parts) sum += measure_part(part, tokens);
  }
  if (chat) sum += reasoning ? kReasoningReply : kReplyBegin;
  sum += tokens(tool_text(call.tools)) + tokens(answer_schema_text(call.params));
  if (reasoning && !call.tools.empty() && call.dialect == "openai_chat") sum += kReasoningTools;
  return sum;
}

double output_tokens(const CallRecord& call, const Vocabulary& words, bool reasoning) {
  const Measure tokens = Counter(words);
  double sum = 0;
  for (const auto& message : call.output) {
    sum += calls_overhead(message);
    for (const auto& part : message.parts) sum += measure_part(part, tokens);
  }
  return sum + (reasoning && sum > 0 ? kReasoningOutput : 0);
}

double input_units(const CallRecord& call) {
  double sum = 0;
  for (const auto& document : call.documents) sum += rough_tokens(document);
  for (const auto& message : call.input) {
    sum += kRoughPerMessage;
    for (const auto& part : message.parts) sum += measure_part(part, rough_tokens);
  }
  for (const auto& tool : call.tools) {
    sum += rough_tokens(tool.name) + rough_tokens(tool.description) + rough_tokens(tool.schema);
  }
  return sum;
}

double output_units(const CallRecord& call) {
  double sum = 0;
  for (const auto& message : call.output) {
    for (const auto& part : message.parts) sum += measure_part(part, rough_tokens);
  }
  return sum;
}

bool has_part(const std::vector<Message>& messages, PartKind kind) {
  for (const auto& message : messages) {
    for (const auto& part : message.parts) {
      if (part.kind == kind) return true;
    }
  }
  return false;
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

// As far as names of models go: they are keys of what is remembered.
std::string_view model_of(const CallRecord& call) {
  constexpr std::size_t kLongest = 256;
  std::string_view model;
  if (call.model_requested) model = *call.model_requested;
  if (call.model_served && !call.model_served->empty()) model = *call.model_served;
  return model.substr(0, kLongest);
}

// From the most telling on: the model, its vendor, all. Tools change what a vendor adds.
std::array<std::string, 3> keys_of(const CallRecord& call, bool input) {
  std::string kind = input ? "in" : "out";
  if (input ? !call.tools.empty() : has_part(call.output, PartKind::kToolCall)) kind += "+tools";
  return {kind + '/' + call.provider + '/' + std::string(model_of(call)),
          kind + '/' + call.provider, kind};
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

double TokenEstimator::learned(const CallRecord& call, bool input, double units) const {
  for (const auto& key : keys_of(call, input)) {
    const auto found = rates_.find(key);
    if (found != rates_.end()) return found->second.estimate(units);
  }
  return units;
}

void TokenEstimator::learn_side(const CallRecord& call, bool input, double units,
                                std::uint64_t tokens) {
  if (units <= 0 || tokens == 0) return;
  for (auto& key : keys_of(call, input)) {
    if (rates_.size() >= kMaxRates && !rates_.contains(key)) continue;
    rates_[std::move(key)].learn(units, static_cast<double>(tokens));
  }
}

void TokenEstimator::learn(const CallRecord& call) {
  const Usage& usage = call.usage;
  if (usage.source != Usage::Source::kProvider || failed(call) || call.partial ||
      call.end != End::kComplete || !text_operation(call.operation) ||
      openai_encoding(model_of(call))) {
    return;
  }
  if (usage.input() && !has_media(call.input)) {
    learn_side(call, true, input_units(call), *usage.input());
  }
  // Reasoning is counted but, with most, not shown or only summed up.
  const bool thought =
      usage.reasoning.value_or(0) > 0 || has_part(call.output, PartKind::kReasoning);
  if (usage.output_visible && !thought && !has_media(call.output)) {
    learn_side(call, false, output_units(call), *usage.output());
  }
}

std::optional<Usage> TokenEstimator::estimate(const CallRecord& call) {
  if (failed(call) || !text_operation(call.operation)) return std::nullopt;
  Usage usage;
  usage.source = Usage::Source::kEstimated;
  if (const auto encoding = openai_encoding(model_of(call))) {
    const Vocabulary& words = vocabulary(*encoding);
    const bool reasoning = reasons(model_of(call));
    usage.input_uncached = rounded(input_tokens(call, words, reasoning));
    usage.output_visible = rounded(output_tokens(call, words, reasoning));
  } else {
    const double units = output_units(call);
    usage.input_uncached = rounded(learned(call, true, input_units(call)));
    usage.output_visible = units > 0 ? rounded(learned(call, false, units)) : 0;
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
