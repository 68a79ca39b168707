// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/llmobs/agent_steps.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <initializer_list>
#include <map>

namespace llmtap::llmobs {
namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;  // of events without a duration, as in the SDK
constexpr std::size_t kMostSpans = 512;

// A member of a member ...; null if one is missing.
const Value& at(const Value& value, std::initializer_list<const char*> path) {
  static const Value kNull;
  const Value* found = &value;
  for (const char* key : path) {
    if (!found->is_object()) return kNull;
    const auto member = found->find(key);
    if (member == found->end()) return kNull;
    found = &*member;
  }
  return *found;
}

// Strings as they are, other values as JSON, nothing as "".
std::string text(const Value& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.is_null() ? std::string() : python_json(value.dump());
}

// "2025-08-11T03:28:38.577557638Z" → unix ns; absent if it is no such time.
std::optional<std::uint64_t> time_of(const Value& value) {
  if (!value.is_string()) return std::nullopt;
  const auto& stamp = value.get_ref<const std::string&>();
  std::tm tm{};
  int used = 0;
  if (std::sscanf(stamp.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
                  &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used) != 6) {
    return std::nullopt;
  }
  tm.tm_year -= 1900;
  tm.tm_mon -= 1;
  const auto seconds = timegm(&tm);
  if (seconds < 0) return std::nullopt;
  std::uint64_t ns = 0, unit = 100'000'000;
  std::size_t i = static_cast<std::size_t>(used);
  if (i < stamp.size() && stamp[i] == '.') {
    for (++i; i < stamp.size() && stamp[i] >= '0' && stamp[i] <= '9'; ++i, unit /= 10) {
      ns += unit * static_cast<std::uint64_t>(stamp[i] - '0');
    }
  }
  return static_cast<std::uint64_t>(seconds) * 1'000'000'000 + ns;
}

// "us.anthropic.claude-3-haiku-v1:0", also behind an ARN → {"anthropic", "claude-3-haiku-v1:0"}.
std::pair<std::string, std::string> model_of(std::string id) {
  id.erase(0, id.rfind('/') + 1);
  for (const char* region : {"us.", "eu.", "apac.", "global."}) {
    if (id.starts_with(region)) id.erase(0, std::string(region).size());
  }
  const auto dot = id.find('.');
  if (dot == std::string::npos) return {"", id};
  return {id.substr(0, dot), id.substr(dot + 1)};
}

class Steps {
 public:
  explicit Steps(const Value& root) : root_(root), root_start_(root["start_ns"]) {}

  void trace(const Value& event);
  std::vector<Value> take();

 private:
  // Indexes into spans_; kNone: none.
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  struct Step {
    std::size_t span = kNone;
    std::size_t open = kNone;  // waits for its output
  };

  std::size_t span(std::string name, std::string_view kind, std::size_t parent,
                   std::uint64_t start_ns);
  void close(std::size_t span, std::uint64_t start_ns, std::uint64_t duration_ns, Step& step);
  void close(std::size_t span, const Value& metadata, Step& step);
  void fail(std::size_t span, std::string type, std::string message);
  void tagged(Value& event, std::string_view type);
  void inner(const std::string& type, const Value& body, std::uint64_t start_ns, Step& step);
  void model_input(const Value& input, std::uint64_t start_ns, Step& step);
  void model_output(const Value& output, Step& step);
  void tool_input(const Value& input, std::uint64_t start_ns, Step& step);
  void observation(const Value& observation, Step& step);

  const Value& root_;
  std::uint64_t root_start_;
  std::vector<Value> spans_;
  std::map<std::string, Step> steps_;  // by trace id
};

std::size_t Steps::span(std::string name, std::string_view kind, std::size_t parent,
                        std::uint64_t start_ns) {
  Value event = {{"trace_id", root_["trace_id"]},
                 {"parent_id", parent == kNone ? root_["span_id"] : spans_[parent]["span_id"]},
                 {"name", std::move(name)},
                 {"start_ns", start_ns},
                 {"duration", kMillisecond},
                 {"status", "ok"},
                 {"meta", {{"span", {{"kind", kind}}}, {"metadata", Value::object()}}},
                 {"metrics", Value::object()},
                 {"tags", root_["tags"]},
                 {"_dd", root_["_dd"]}};
  // Follows from the root's, so that encoding again gives the same.
  const std::uint64_t root_id = std::stoull(root_["span_id"].get<std::string>());
  std::uint64_t id = (root_id ^ (spans_.size() + 1)) * 0x9e3779b97f4a7c15ULL;
  id ^= id >> 29;
  event["span_id"] = std::to_string(id == 0 ? 1 : id);
  event["_dd"]["span_id"] = event["span_id"];
  if (root_.contains("session_id")) event["session_id"] = root_["session_id"];
  tagged(event, {});
  spans_.push_back(std::move(event));
  return spans_.size() - 1;
}

// The root's tags with this span's own outcome.
void Steps::tagged(Value& event, std::string_view type) {
  Value tags = Value::array();
  for (const auto& tag : event["tags"]) {
    const auto& entry = tag.get_ref<const std::string&>();
    if (!entry.starts_with("error:") && !entry.starts_with("error_type:")) tags.push_back(entry);
  }
  tags.push_back(type.empty() ? "error:0" : "error:1");
  if (!type.empty()) tags.push_back("error_type:" + std::string(type));
  std::sort(tags.begin(), tags.end());
  event["tags"] = std::move(tags);
}

void Steps::fail(std::size_t span, std::string type, std::string message) {
  Value& event = spans_[span];
  event["status"] = "error";
  tagged(event, type);
  event["meta"]["error"] = {{"type", type}, {"message", message}, {"stack", ""}};
}

// Ends a span; its step goes on to that end and shows its first input and its last output.
void Steps::close(std::size_t span, std::uint64_t start_ns, std::uint64_t duration_ns, Step& step) {
  Value& event = spans_[span];
  event["start_ns"] = start_ns;
  event["duration"] = duration_ns;
  Value& outer = spans_[step.span];
  const std::uint64_t begin = outer["start_ns"];
  const std::uint64_t end =
      std::max(begin + outer["duration"].get<std::uint64_t>(), start_ns + duration_ns);
  outer["duration"] = end - begin;
  Value& meta = event["meta"];
  if (meta.contains("input") && !outer["meta"].contains("input")) {
    outer["meta"]["input"] = meta["input"];
  }
  if (meta.contains("output")) outer["meta"]["output"] = meta["output"];
  if (step.open == span) step.open = kNone;
}

void Steps::close(std::size_t span, const Value& metadata, Step& step) {
  const Value& took = at(metadata, {"totalTimeMs"});
  const std::uint64_t ms = took.is_number_unsigned() ? took.get<std::uint64_t>() : 1;
  close(span, time_of(at(metadata, {"startTime"})).value_or(root_start_),
        std::min<std::uint64_t>(ms, 86'400'000) * kMillisecond, step);
}

void Steps::model_input(const Value& input, std::uint64_t start_ns, Step& step) {
  const auto [vendor, model] = model_of(text(at(input, {"foundationModel"})));
  step.open = span("modelInvocation", "llm", step.span, start_ns);
  Value& meta = spans_[step.open]["meta"];
  meta["model_name"] = model.empty() ? "unknown" : model;
  meta["model_provider"] = "amazon_bedrock";
  meta["metadata"] = {{"model_name", model}, {"model_provider", vendor}};
  const Value prompt = json_or_string(text(at(input, {"text"})));
  Value messages = Value::array({message("system", text(at(prompt, {"system"})))});
  if (const Value& turns = at(prompt, {"messages"}); turns.is_array()) {
    for (const auto& turn : turns) {
      messages.push_back(message(text(at(turn, {"role"})), text(at(turn, {"content"}))));
    }
  }
  meta["input"] = {{"messages", std::move(messages)}};
}

void Steps::model_output(const Value& output, Step& step) {
  if (step.open == kNone) return;
  Value& event = spans_[step.open];
  const Value& parsed = at(output, {"parsedResponse"});
  const Value& said = parsed.empty() ? at(output, {"rawResponse", "content"}) : parsed;
  event["meta"]["output"] = {{"messages", Value::array({message("assistant", text(said))})}};
  if (const Value& why = at(output, {"reasoningContent", "reasoningText"}); !why.empty()) {
    event["meta"]["metadata"]["reasoningText"] = text(at(why, {"text"}));
  }
  const Value& usage = at(output, {"metadata", "usage"});
  for (const auto& [ours, theirs] :
       {std::pair{"input_tokens", "inputTokens"}, std::pair{"output_tokens", "outputTokens"}}) {
    if (const Value& count = at(usage, {theirs}); count.is_number()) {
      event["metrics"][ours] = count;
    }
  }
  close(step.open, at(output, {"metadata"}), step);
}

void Steps::tool_input(const Value& input, std::uint64_t start_ns, Step& step) {
  const std::string type = text(at(input, {"invocationType"}));
  std::string name;
  Value arguments = Value::object(), metadata = Value::object();
  if (type == "ACTION_GROUP") {
    const Value& call = at(input, {"actionGroupInvocationInput"});
    name = text(at(call, {"actionGroupName"}));
    if (const Value& list = at(call, {"parameters"}); list.is_array()) {
      for (const auto& one : list) arguments[text(at(one, {"name"}))] = text(at(one, {"value"}));
    }
    metadata = {{"function", text(at(call, {"function"}))},
                {"execution_type", text(at(call, {"executionType"}))}};
  } else if (type == "AGENT_COLLABORATOR") {
    const Value& call = at(input, {"agentCollaboratorInvocationInput"});
    name = text(at(call, {"agentCollaboratorName"}));
    arguments["text"] = text(at(call, {"input", "text"}));
  } else if (type == "ACTION_GROUP_CODE_INTERPRETER") {
    const Value& call = at(input, {"codeInterpreterInvocationInput"});
    name = text(at(call, {"actionGroupName"}));
    arguments = {{"code", text(at(call, {"code"}))}, {"files", text(at(call, {"files"}))}};
  } else if (type == "KNOWLEDGE_BASE") {
    const Value& call = at(input, {"knowledgeBaseLookupInput"});
    name = text(at(call, {"knowledgeBaseId"}));
    arguments["text"] = text(at(call, {"text"}));
  }
  step.open = span(std::move(name), "tool", step.span, start_ns);
  spans_[step.open]["meta"]["metadata"] = std::move(metadata);
  spans_[step.open]["meta"]["input"] = {{"value", python_json(arguments.dump())}};
}

void Steps::observation(const Value& observation, Step& step) {
  struct Kind {
    const char* type;
    const char* member;
    std::initializer_list<const char*> output;
  };
  static const Kind kKinds[] = {
      {"ACTION_GROUP", "actionGroupInvocationOutput", {"text"}},
      {"AGENT_COLLABORATOR", "agentCollaboratorInvocationOutput", {"output", "text"}},
      {"KNOWLEDGE_BASE", "knowledgeBaseLookupOutput", {"retrievedReferences"}},
      {"ACTION_GROUP_CODE_INTERPRETER", "codeInterpreterInvocationOutput", {"executionOutput"}}};
  const std::string type = text(at(observation, {"type"}));
  if (step.open == kNone) return;
  for (const auto& kind : kKinds) {
    if (type != kind.type) continue;
    const Value& made = at(observation, {kind.member});
    spans_[step.open]["meta"]["output"] = {{"value", text(at(made, kind.output))}};
    const std::string error = text(at(made, {"executionError"}));
    if (!error.empty()) fail(step.open, "executionError", error);
    return close(step.open, at(made, {"metadata"}), step);
  }
}

void Steps::inner(const std::string& type, const Value& body, std::uint64_t start_ns, Step& step) {
  if (type == "failureTrace") {
    const auto made = span("failureEvent", "task", step.span, start_ns);
    fail(made, text(at(body, {"failureType"})), text(at(body, {"failureReason"})));
    close(made, at(body, {"metadata"}), step);
  } else if (type == "guardrailTrace") {
    const auto made = span("guardrail", "task", step.span, start_ns);
    Value output = {{"action", text(at(body, {"action"}))}};
    for (const char* side : {"inputAssessments", "outputAssessments"}) {
      output[side] = body.contains(side) ? body[side] : Value::array();
    }
    spans_[made]["meta"]["output"] = {{"value", python_json(output.dump())}};
    if (output["action"] == "INTERVENED") fail(made, "GuardrailTriggered", "Guardrail intervened");
    close(made, at(body, {"metadata"}), step);
  } else if (type == "customOrchestrationTrace") {
    const auto made = span("customOrchestration", "task", step.span, start_ns);
    spans_[made]["meta"]["output"] = {{"value", text(at(body, {"event", "text"}))}};
    close(made, start_ns, kMillisecond, step);
  } else if (body.contains("modelInvocationInput")) {
    model_input(body["modelInvocationInput"], start_ns, step);
  } else if (body.contains("modelInvocationOutput")) {
    model_output(body["modelInvocationOutput"], step);
  } else if (body.contains("rationale")) {
    const auto made = span("reasoning", "task", step.span, start_ns);
    spans_[made]["meta"]["output"] = {{"value", text(at(body, {"rationale", "text"}))}};
    close(made, start_ns, kMillisecond, step);
  } else if (body.contains("invocationInput")) {
    tool_input(body["invocationInput"], start_ns, step);
  } else if (body.contains("observation")) {
    observation(body["observation"], step);
  }
}

void Steps::trace(const Value& event) {
  const Value& trace = at(event, {"trace"});
  if (!trace.is_object() || trace.size() != 1 || spans_.size() + 2 > kMostSpans) return;
  const std::string type = trace.begin().key();
  const Value& body = trace.begin().value();
  if (!body.is_object() || body.empty()) return;
  // The id stands in the trace itself, or in its only member.
  const Value& own = body.contains("traceId") ? body : body.begin().value();
  const std::string id = text(at(own, {"traceId"}));
  const std::uint64_t start_ns = time_of(at(event, {"eventTime"})).value_or(root_start_);
  Step& step = steps_[id];
  if (step.span == kNone) {
    step.span = span(type + " Step", "workflow", kNone, start_ns);
    spans_[step.span]["meta"]["metadata"] = {{"bedrock_trace_id", id}};
  }
  inner(type, body, start_ns, step);
}

std::vector<Value> Steps::take() { return std::move(spans_); }

}  // namespace

std::vector<Value> agent_steps(const CallRecord& call, const Value& root) {
  if (call.operation != Operation::kAgent) return {};
  const auto traces = vendor_value(call, "agent_traces");
  if (!traces || !traces->is_array()) return {};
  Steps steps(root);
  for (const auto& trace : *traces) steps.trace(trace);
  return steps.take();
}

}  // namespace llmtap::llmobs
