// SPDX-License-Identifier: Apache-2.0
//
// xAI's own API, which its SDK speaks: gRPC, POST /xai_api.{Service}/{Method}
//   Chat      GetCompletion, GetCompletionChunk (a stream), StartDeferredCompletion, CompactContext
//   Sample    SampleText, SampleTextStreaming
//   Embedder  Embed          Image  GenerateImage          Tokenize  TokenizeText
// https://github.com/xai-org/xai-proto (proto/xai/api/v1)
//
//   GetCompletionsRequest {messages {content {text: "Hi"} role: ROLE_USER} model: "grok-4"}
//   GetChatCompletionChunk {id: "x1" outputs {delta {content: "He"} index: 0} model: "grok-4-0709"}
//
// Quirks: a chunk holds deltas of several outputs, by index, but tool calls whole. The tokens of
// the usage grow from chunk to chunk. Reasoning is counted beside the completion, cached tokens
// inside of the prompt. Outputs may also be calls of the vendor's own tools and their results. A
// deferred call is its start; what is polled later is management, as are files, batches, videos and
// models.
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "parsers/core/json.h"
#include "parsers/core/protobuf.h"
#include "parsers/providers/common.h"
#include "parsers/providers/protobuf_json.h"
#include "parsers/providers/provider.h"
#include "parsers/providers/xai_common.h"

namespace llmtap {
namespace {

// Of a call: messages, parts, tools, documents. Empty ones take two bytes on the wire.
constexpr std::size_t kMaxItems = 65536;

// ---- Methods: where things are in their messages; 0: nowhere ----
struct Request {
  const ProtobufSchema* params;
  std::uint32_t messages, prompt, model;
};
struct Output {  // one choice
  std::uint32_t reason, index, message, text;
};
struct Answer {
  std::uint32_t id, outputs, model, usage, tier;
  Output output;
};
struct Method {
  std::string_view name;
  Operation operation;
  bool streamed;
  Request request;
  Answer answer;
};
constexpr Request kCompletion{&kXaiChatParams, 1, 0, 2};
constexpr Request kSampling{&kXaiSampleParams, 0, 1, 3};
constexpr Answer kSampled{1, 2, 6, 9, 0, {1, 2, 0, 3}};
constexpr Method kMethods[] = {
    {"Chat/GetCompletion", Operation::kChat, false, kCompletion, {1, 2, 6, 9, 15, {1, 2, 3, 0}}},
    {"Chat/GetCompletionChunk",
     Operation::kChat,
     true,
     kCompletion,
     {1, 2, 4, 6, 12, {3, 4, 1, 0}}},
    {"Chat/StartDeferredCompletion", Operation::kChat, false, kCompletion, {1, 0, 0, 0, 0, {}}},
    {"Chat/CompactContext", Operation::kOther, false, {nullptr, 2, 0, 1}, {1, 0, 0, 4, 0, {}}},
    {"Sample/SampleText", Operation::kTextCompletion, false, kSampling, kSampled},
    {"Sample/SampleTextStreaming", Operation::kTextCompletion, true, kSampling, kSampled},
    {"Embedder/Embed",
     Operation::kEmbeddings,
     false,
     {&kXaiEmbedParams, 0, 1, 2},
     {1, 2, 4, 0, 0, {}}},
    {"Image/GenerateImage",
     Operation::kImage,
     false,
     {&kXaiImageParams, 0, 1, 2},
     {0, 1, 2, 3, 0, {}}},
    {"Tokenize/TokenizeText", Operation::kCountTokens, false, {nullptr, 0, 0, 2}, {}},
};

constexpr std::string_view kPackage = "/xai_api.";

// The method of a path, "" if it is another service's.
std::string_view method_name(std::string_view path) {
  return path.starts_with(kPackage) ? path.substr(kPackage.size()) : std::string_view{};
}

const Method* find_method(std::string_view name) {
  for (const Method& method : kMethods) {
    if (method.name == name) return &method;
  }
  return nullptr;
}

// Goes on with the last part of this kind, or begins one.
void put_text(Message& message, PartKind kind, const char* wire_type, std::string_view text) {
  if (text.empty()) return;
  append_text(message, kind, text);
  message.parts.back().wire_type = wire_type;
}

// Whether an answer of Chat has deltas.
bool is_chunk(std::string_view message) {
  for (ProtobufReader field(message); field.next();) {
    if (field.number() != 2) continue;
    for (ProtobufReader output(field.bytes()); output.next();) {
      if (output.number() == 1) return output.has_bytes();
      if (output.number() == 3) return !output.has_bytes();
    }
  }
  return false;
}

Match matches(const RequestHead& head) {
  return method_name(head.path).empty() ? Match::kNo : Match::kYes;
}

class XaiGrpcParser final : public CallParser {
 public:
  void request(const RequestHead& head, const RequestBody& body, CallRecord& call) override;
  Step event(const BodyEvent& event, const Json& json, CallRecord& call) override;
  void finish(CallRecord& call) override;

 private:
  bool take(CallRecord& call);
  void read_params(std::string_view message, CallRecord& call);
  void read_message(std::string_view bytes, CallRecord& call);
  void read_prompt(std::string_view bytes, CallRecord& call);
  void read_embedding(std::string_view bytes, CallRecord& call);
  void read_generated_image(std::string_view bytes, CallRecord& call);
  void read_output(std::string_view bytes, TimeNs ts_ns, CallRecord& call);
  bool read_delta(std::string_view bytes, std::size_t at, CallRecord& call);

  const Method* method_ = nullptr;
  bool late_ = false;  // no path: one of the first two
  std::size_t items_ = 0;
  std::string usage_;
  std::map<std::uint64_t, std::size_t> outputs_;  // index → call.output
};

// One more item, if it may be kept.
bool XaiGrpcParser::take(CallRecord& call) {
  if (items_ < kMaxItems) return ++items_ > 0;
  call.partial = true;
  return false;
}

void XaiGrpcParser::read_params(std::string_view message, CallRecord& call) {
  if (method_->request.params == nullptr) return;
  JsonDocument document;
  const Json params = document.parse(message_json(message, *method_->request.params));
  for (const auto [name, value] : params.members()) add_param(call, name, value.dump());
  for (const auto key : {"user", "safety_identifier"}) {
    if (call.user_id.empty()) call.user_id = params[key].str();
  }
}

void XaiGrpcParser::request(const RequestHead& head, const RequestBody& body, CallRecord& call) {
  late_ = head.path.empty();
  method_ = late_ ? &kMethods[0] : find_method(method_name(head.path));
  if (method_ == nullptr) {
    call.operation = Operation::kManagement;
    call.vendor.push_back({"endpoint", quote_json(method_name(head.path))});
    return;
  }
  call.operation = method_->operation;
  call.streamed = method_->streamed;
  read_params(body.bytes, call);
  const Request& at = method_->request;
  ProtobufReader field(body.bytes);
  while (field.next()) {
    const std::uint32_t number = field.number();
    if (number == at.model && !field.bytes().empty()) {
      call.model_requested = std::string(field.bytes());
    }
    if (number == at.messages && take(call)) read_message(field.bytes(), call);
    if (number == at.prompt && take(call)) read_prompt(field.bytes(), call);
    if (number == 17 && at.params == &kXaiChatParams && take(call)) {
      call.tools.push_back(read_xai_tool(field.bytes()));
    }
    if ((number == 5 || number == 17) && at.params == &kXaiImageParams && take(call) &&
        !call.input.empty()) {
      call.input.back().parts.push_back(read_xai_image(field.bytes()));
    }
  }
  call.partial = call.partial || !field.ok();
}

void XaiGrpcParser::read_message(std::string_view bytes, CallRecord& call) {
  Message out;
  Part result;
  result.kind = PartKind::kToolResult;
  std::string_view reasoning;
  for (ProtobufReader field(bytes); field.next();) {
    switch (field.number()) {
      case 2:
        out.role = xai_role(field.integer());
        break;
      case 3:
        result.tool_name = field.bytes();
        break;
      case 5:
        reasoning = field.bytes();
        break;
      case 7:
        result.tool_id = field.bytes();
        break;
      default:
        break;
    }
  }
  put_text(out, PartKind::kReasoning, "reasoning_content", reasoning);
  const bool is_result = out.role == "tool" || out.role == "function";
  for (ProtobufReader field(bytes); field.next();) {
    if (field.number() == 1 && is_result) result.text += read_xai_content(field.bytes()).text;
    if (field.number() == 1 && !is_result && take(call))
      out.parts.push_back(read_xai_content(field.bytes()));
    if (field.number() == 4 && take(call)) out.parts.push_back(read_xai_tool_call(field.bytes()));
  }
  result.wire_type = out.role;
  if (is_result) out.parts.push_back(std::move(result));
  call.input.push_back(std::move(out));
}

void XaiGrpcParser::read_prompt(std::string_view bytes, CallRecord& call) {
  if (method_->operation == Operation::kEmbeddings) {
    call.documents.push_back(read_xai_content(bytes).text);
    return;
  }
  Message& message = call.input.emplace_back();
  message.role = "user";
  message.parts.push_back(text_part("text", bytes));
}

Step XaiGrpcParser::event(const BodyEvent& event, const Json&, CallRecord& call) {
  if (method_ == nullptr) return Step::kContinue;
  if (late_ && is_chunk(event.data)) method_ = &kMethods[1];
  call.streamed = method_->streamed;  // gRPC frames every answer
  const Answer& at = method_->answer;
  ProtobufReader field(event.data);
  while (field.next()) {
    const std::uint32_t number = field.number();
    if (number == at.id && call.response_id.empty()) call.response_id = field.bytes();
    if (number == at.model && !field.bytes().empty() && call.model_served != field.bytes()) {
      call.model_served = std::string(field.bytes());
    }
    if (number == at.usage && !field.bytes().empty()) usage_ = field.bytes();
    if (number == at.tier) note_service_tier(xai_service_tier(field.integer()), call);
    if (number != at.outputs) continue;
    if (method_->operation == Operation::kEmbeddings) {
      read_embedding(field.bytes(), call);
    } else if (method_->operation == Operation::kImage) {
      if (take(call)) read_generated_image(field.bytes(), call);
    } else {
      read_output(field.bytes(), event.ts_ns, call);
    }
  }
  call.partial = call.partial || !field.ok();
  return Step::kContinue;
}

// A list of vectors, packed floats or base64.
void XaiGrpcParser::read_embedding(std::string_view bytes, CallRecord& call) {
  call.embedding_count = call.embedding_count.value_or(0) + 1;
  for (ProtobufReader field(bytes); field.next() && !call.embedding_size;) {
    if (field.number() != 2) continue;
    for (ProtobufReader vector(field.bytes()); vector.next();) {
      const std::uint64_t size =
          vector.number() == 2 ? base64_size(vector.bytes()) : vector.bytes().size();
      call.embedding_size = size / sizeof(float);
    }
  }
}

void XaiGrpcParser::read_generated_image(std::string_view bytes, CallRecord& call) {
  for (ProtobufReader field(bytes); field.next();) {
    const auto text = field.bytes();
    if (field.number() == 3 || (field.number() == 1 && text.starts_with("data:"))) {
      answer(call).parts.push_back(media_from_url(PartKind::kImage, "image", text));
    } else if (field.number() == 1) {
      answer(call).parts.push_back(media_from_base64(PartKind::kImage, "image", "", text));
    }
  }
}

// An output goes on, or is whole.
void XaiGrpcParser::read_output(std::string_view bytes, TimeNs ts_ns, CallRecord& call) {
  const Output& at = method_->answer.output;
  std::uint64_t index = 0, reason = 0;
  std::string_view message, text;
  for (ProtobufReader field(bytes); field.next();) {
    if (field.number() == at.index) index = field.integer();
    if (field.number() == at.reason) reason = field.integer();
    if (field.number() == at.message) message = field.bytes();
    if (field.number() == at.text) text = field.bytes();
  }
  if (outputs_.find(index) == outputs_.end()) {
    if (!take(call)) return;
    outputs_[index] = call.output.size();
    call.output.emplace_back();
  }
  const std::size_t slot = outputs_[index];
  put_text(call.output[slot], PartKind::kText, "text", text);
  if (reason != 0) call.output[slot].finish_reason = xai_finish_reason(reason);
  const bool content = read_delta(message, slot, call) || !text.empty();
  if (content && method_->streamed) mark_token(call, ts_ns);
}

// True if it says something. An output of role "tool" is the result of a tool of the vendor's; the
// call is told again with it.
bool XaiGrpcParser::read_delta(std::string_view bytes, std::size_t slot, CallRecord& call) {
  Message& out = call.output[slot];
  std::string_view text, reasoning;
  for (ProtobufReader field(bytes); field.next();) {
    if (field.number() == 1) text = field.bytes();
    if (field.number() == 2) out.role = xai_role(field.integer());
    if (field.number() == 4) reasoning = field.bytes();
  }
  const bool is_result = out.role == "tool";
  put_text(out, PartKind::kReasoning, "reasoning_content", reasoning);
  if (is_result) {
    put_text(out, PartKind::kToolResult, "tool", text);
  } else {
    put_text(out, PartKind::kText, "text", text);
  }
  bool any = !text.empty() || !reasoning.empty();
  for (ProtobufReader field(bytes); field.next();) {
    if (field.number() != 3 || !take(call)) continue;
    any = true;
    Part part = read_xai_tool_call(field.bytes());
    if (!is_result) {
      out.parts.push_back(std::move(part));
      continue;
    }
    if (out.parts.empty()) out.parts.emplace_back();
    Part& result = out.parts.back();
    result.kind = PartKind::kToolResult;
    result.wire_type = "tool";
    result.tool_id = part.tool_id;
    result.tool_name = part.tool_name;
  }
  return any;
}

void XaiGrpcParser::finish(CallRecord& call) {
  read_xai_usage(usage_, call);
  if (outputs_.empty()) return;
  std::vector<Message> ordered;
  bool tools = false;
  for (const auto& [index, slot] : outputs_) {
    tools = tools || call.output[slot].role == "tool";
    ordered.push_back(std::move(call.output[slot]));
  }
  call.output = std::move(ordered);
  // Behind tools of the vendor's the last output is the answer; else each is a choice.
  call.finish_reason = (tools ? call.output.back() : call.output.front()).finish_reason;
}

}  // namespace

extern const Provider kXaiGrpc;
const Provider kXaiGrpc = {"xai_grpc", matches, nullptr,
                           [] { return std::unique_ptr<CallParser>(new XaiGrpcParser); },
                           is_xai_chat_request};

}  // namespace llmtap
