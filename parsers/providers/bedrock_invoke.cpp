// SPDX-License-Identifier: Apache-2.0
//
// Amazon Bedrock InvokeModel: POST /model/{id}/invoke and /invoke-with-response-stream. The body is
// the model's own dialect; SageMaker's POST /endpoints/{name}/invocations carries the same ones.
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
//
//   {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 64, "messages": [...]}
//   chunk  {"bytes": "<base64 of one native event>", "p": "padding"}
//
//   PayloadPart  data:{"token": {"text": " a"}}      SageMaker's stream: the model's own bytes
//
// Quirks: SageMaker cuts the model's stream (SSE or lines of JSON) anywhere. Tokens are in headers (x-amzn-bedrock-input-token-count) or, streamed, in the last
// native event's amazon-bedrock-invocationMetrics, and these count whatever the body says.
#include <memory>

#include "parsers/core/base64.h"
#include "parsers/providers/anthropic_common.h"
#include "parsers/providers/bedrock_common.h"
#include "parsers/providers/common.h"
#include "parsers/providers/native_text.h"
#include "parsers/providers/openai_chat.h"
#include "parsers/providers/provider.h"

namespace llmtap {

extern const Provider kHostedText;  // what TGI's containers speak

namespace {

constexpr std::size_t kMaxLine = std::size_t{256} << 10;  // of a SageMaker stream

using Count = std::optional<std::uint64_t>;

bool sagemaker(const RequestHead& head) {
  const auto segments = path_segments(head.path);
  if (segments.size() < 3 || segments[segments.size() - 3] != "endpoints") return false;
  return segments.back() == "invocations" || segments.back() == "invocations-response-stream";
}

Match matches(const RequestHead& head) {
  if (head.method != "POST" && !head.method.empty()) return Match::kNo;
  if (sagemaker(head)) return Match::kYes;
  const auto target = bedrock_target(head.path);
  if (!target) return Match::kNo;
  const auto action = target->action;
  return action == "invoke" || action == "invoke-with-response-stream" ? Match::kYes : Match::kNo;
}

// Nova speaks Converse's shape.
class NovaParser final : public CallParser {
 public:
  void request(const RequestHead&, const RequestBody& body, CallRecord& call) override {
    call.operation = Operation::kChat;
    read_converse_request(body.json, call);
  }
  Step event(const BodyEvent& event, const Json& json, CallRecord& call) override {
    if (json["output"].is_object()) fold_.whole(json, call);
    for (const auto [name, value] : json.members()) fold_.event(name, value, event.ts_ns, call);
    return Step::kContinue;
  }

 private:
  ConverseFold fold_;
};

class NativeParser final : public CallParser {
 public:
  void request(const RequestHead&, const RequestBody& body, CallRecord& call) override {
    read_native_request(body.json, call.model_requested.value_or(""), call);
  }
  Step event(const BodyEvent& event, const Json& json, CallRecord& call) override {
    read_native_answer(json, event.ts_ns, call);
    return Step::kContinue;
  }
};

std::unique_ptr<CallParser> native_parser(const Json& body, bool streamed_inputs) {
  if (streamed_inputs && body["inputs"].is_string()) return kHostedText.make();
  if (body["anthropic_version"].exists()) return std::make_unique<AnthropicParser>();
  const Json messages = body["messages"];
  if (!messages.is_array()) return std::make_unique<NativeParser>();
  const Json block = messages.at(0)["content"].at(0);
  const bool converse = body["inferenceConfig"].is_object() || body["schemaVersion"].exists() ||
                        (block.is_object() && !block["type"].exists());
  if (converse) return std::make_unique<NovaParser>();
  return std::make_unique<ChatParser>();
}

// What the service itself has counted.
struct Tokens {
  Count input, output, cache_read, cache_write;

  void apply(Usage& usage) const {
    if (input) usage.input_uncached = input;
    if (output) {
      usage.output_visible = output;
      usage.reasoning.reset();
    }
    if (cache_read) usage.cache_read = cache_read;
    if (cache_write) usage.cache_write = cache_write;
    // The model's own total speaks of its own counts.
    if (input || output) usage.total_reported.reset();
  }
};

Count header_count(const Headers& headers, std::string_view name) {
  const auto text = find_header(headers, name);
  if (!text || text->empty() || text->size() > 12) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : *text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

class InvokeParser final : public CallParser {
 public:
  void request(const RequestHead& head, const RequestBody& body, CallRecord& call) override;
  void response(const ResponseHead& head, CallRecord&) override;
  Step event(const BodyEvent& event, const Json& json, CallRecord& call) override;
  void finish(CallRecord& call) override;

 private:
  void native(const BodyEvent& event, const Json& json, CallRecord& call);
  void payload_part(const BodyEvent& event, CallRecord& call);
  bool line(std::string_view text, const BodyEvent& event, CallRecord& call);

  std::unique_ptr<CallParser> inner_ = std::make_unique<NativeParser>();
  JsonDocument chunk_;
  std::string line_;  // of a SageMaker stream, not whole yet
  Tokens tokens_;
};

void InvokeParser::request(const RequestHead& head, const RequestBody& body, CallRecord& call) {
  const auto target = bedrock_target(head.path);
  std::string model;
  if (target) {
    model = target->model;
    call.streamed = target->action != "invoke";
  } else {
    const auto segments = path_segments(head.path);
    model = percent_decoded(segments[segments.size() - 2]);
    call.streamed = segments.back() != "invocations";
  }
  inner_ = native_parser(body.json, !target && call.streamed);
  call.model_requested = model;
  const bool streamed = call.streamed;
  inner_->request(head, body, call);
  call.model_requested = model;  // bodies name none, or only the caller's alias
  call.streamed = streamed;
}

void InvokeParser::response(const ResponseHead& head, CallRecord& call) {
  note_service_tier(
      find_header(head.headers, "x-amzn-bedrock-service-tier").value_or(std::string_view{}), call);
  constexpr std::string_view kPrefix = "x-amzn-bedrock-";
  const auto count = [&](std::string_view name) {
    return header_count(head.headers, std::string(kPrefix) + std::string(name));
  };
  tokens_ = {count("input-token-count"), count("output-token-count"),
             count("cache-read-input-token-count"), count("cache-write-input-token-count")};
}

void InvokeParser::native(const BodyEvent& event, const Json& json, CallRecord& call) {
  const Json metrics = json["amazon-bedrock-invocationMetrics"];
  if (metrics.is_object()) {
    tokens_ = {metrics["inputTokenCount"].count(), metrics["outputTokenCount"].count(),
               metrics["cacheReadInputTokenCount"].count(),
               metrics["cacheWriteInputTokenCount"].count()};
  }
  if (json["amazon-bedrock-guardrailAction"].string() == "INTERVENED") {
    call.finish_reason = "guardrail_intervened";
  }
  const bool streamed = call.streamed;
  inner_->event(event, json, call);
  call.streamed = streamed;
}

// One SSE data line or JSON line; false if it is neither.
bool InvokeParser::line(std::string_view text, const BodyEvent& event, CallRecord& call) {
  if (text.starts_with("data:")) text.remove_prefix(5);
  const Json json = chunk_.parse(text);
  if (!json.is_object()) return false;
  BodyEvent inner = event;
  inner.name = {};
  inner.data = text;
  native(inner, json, call);
  return true;
}

void InvokeParser::payload_part(const BodyEvent& event, CallRecord& call) {
  if (line_.size() + event.data.size() > kMaxLine) line_.clear();
  line_.append(event.data.substr(0, kMaxLine));
  std::size_t begin = 0;
  for (auto end = line_.find('\n'); end != std::string::npos; end = line_.find('\n', begin)) {
    line(std::string_view(line_).substr(begin, end - begin), event, call);
    begin = end + 1;
  }
  line_.erase(0, begin);
  // Some containers end nothing with a newline.
  if (line_.ends_with('}') && line(line_, event, call)) line_.clear();
}

Step InvokeParser::event(const BodyEvent& event, const Json& json, CallRecord& call) {
  if (event.exception) {
    apply_bedrock_exception(event, json, call);
    return Step::kCallDone;
  }
  if (event.name == "PayloadPart") {
    payload_part(event, call);
    return Step::kContinue;
  }
  const auto bytes = json["bytes"].string();
  if (event.name != "chunk" || !bytes) {
    if (call.http_status.value_or(200) < 400) native(event, json, call);
    return Step::kContinue;
  }
  const auto text = decode_base64(*bytes);
  BodyEvent inner = event;
  inner.name = {};
  inner.data = text ? std::string_view(*text) : std::string_view{};
  if (text) native(inner, chunk_.parse(*text), call);
  return Step::kContinue;
}

void InvokeParser::finish(CallRecord& call) {
  inner_->finish(call);
  tokens_.apply(call.usage);
}

}  // namespace

extern const Provider kBedrockInvoke;
const Provider kBedrockInvoke = {"bedrock_invoke", matches, nullptr,
                                 [] { return std::unique_ptr<CallParser>(new InvokeParser); }};

}  // namespace llmtap
