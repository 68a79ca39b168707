// SPDX-License-Identifier: Apache-2.0
//
// Mistral's endpoints that nobody else has: POST /v1/ocr, POST /v1/conversations and
// /v1/conversations/{id} (with `inputs`; OpenAI's conversations have `items` and generate nothing).
// https://docs.mistral.ai/api
//
//   {"model": "mistral-ocr-latest", "document": {"type": "document_url", "document_url": "..."}}
//   {"pages": [{"index": 0, "markdown": "# Title", "images": []}], "model",
//    "usage_info": {"pages_processed": 1, "doc_size_bytes": 3002}}
//   {"agent_id": "ag_1", "inputs": "hi"}
//   {"conversation_id": "conv_1", "outputs": [{"type": "message.output", "content": "hello",
//    "role": "assistant", "model"}], "usage": {"prompt_tokens", "completion_tokens"}}
//   event: message.output.delta  {"content": "he"}    event: conversation.response.done  {"usage"}
//
// Quirks: OCR is billed by the page, so it has no tokens; deltas of function calls repeat name and
// id with each piece of the arguments.
#include "parsers/providers/common.h"
#include "parsers/providers/openai_common.h"

namespace llmtap {
namespace {

constexpr std::string_view kParams[] = {
    "completion_args", "handoff_execution", "image_limit", "include_image_base64", "pages", "store",
    "stream"};
constexpr std::size_t kMaxParts = 4096;

bool ocr(const RequestHead& head) { return path_ends(head.path, "/v1/ocr"); }

bool conversation(const RequestHead& head) {
  const auto segments = path_segments(head.path);
  const auto size = segments.size();
  return size >= 2 && (segments[size - 1] == "conversations" ||
                       (segments[size - 2] == "conversations" && size >= 3));
}

Match matches(const RequestHead& head) {
  if (head.method != "POST") return Match::kNo;
  return ocr(head) || conversation(head) ? Match::kIfBody : Match::kNo;
}

bool confirms(const RequestHead& head, const Json& body) {
  if (matches(head) == Match::kNo) return false;
  if (ocr(head)) return body["document"].is_object();
  return body["inputs"].is_string() || body["inputs"].is_array();
}

void read_document(const Json& document, CallRecord& call) {
  Message message;
  message.role = "user";
  const auto type = document["type"].string().value_or("document_url");
  for (const auto key : {"document_url", "image_url"}) {
    const Json url = document[key].is_object() ? document[key]["url"] : document[key];
    if (!url.is_string()) continue;
    const auto kind = std::string_view(key) == "image_url" ? PartKind::kImage : PartKind::kFile;
    message.parts.push_back(media_from_url(kind, type, *url.string()));
  }
  if (const auto file = document["file_id"].string()) {
    Part part;
    part.kind = PartKind::kFile;
    part.wire_type = type;
    part.reference = *file;
    message.parts.push_back(std::move(part));
  }
  call.input.push_back(std::move(message));
}

class MistralParser final : public CallParser {
 public:
  void request(const RequestHead& head, const RequestBody& body, CallRecord& call) override {
    const Json& json = body.json;
    call.operation = ocr(head) ? Operation::kOther : Operation::kChat;
    call.model_requested = requested_model(head, json);
    call.streamed = json["stream"].boolean().value_or(false);
    read_params(json, kParams, call);
    if (ocr(head)) return read_document(json["document"], call);
    const auto segments = path_segments(head.path);
    if (segments.back() != "conversations") call.session_id = percent_decoded(segments.back());
    if (const auto text = json["instructions"].string()) add(call, "system", *text);
    if (const auto text = json["inputs"].string()) add(call, "user", *text);
    for (const auto entry : json["inputs"].elements()) call.input.push_back(read_entry(entry));
    read_openai_tools(json, call);
  }

  Step event(const BodyEvent& event, const Json& json, CallRecord& call) override {
    if (event.data == "[DONE]") return Step::kCallDone;
    if (!json.is_object()) {
      apply_error_text(event.data, call);
      return Step::kContinue;
    }
    if (const auto id = json["conversation_id"].string()) call.session_id = *id;
    if (const auto model = json["model"].string()) call.model_served = std::string(*model);
    apply_openai_usage(json, call);
    const auto type = json["type"].string().value_or(event.name);
    if (type == "message.output.delta") {
      message_delta(json, event.ts_ns, call);
    } else if (type == "function.call.delta") {
      call_delta(json, event.ts_ns, call);
    } else if (type == "conversation.response.done") {
      return Step::kCallDone;
    } else if (type == "conversation.response.error" || call.http_status.value_or(200) >= 400) {
      apply_openai_error(json, call);
    } else {
      whole(json, call);
    }
    return Step::kContinue;
  }

 private:
  static void add(CallRecord& call, std::string_view role, std::string_view text) {
    call.input.push_back({std::string(role), {text_part("text", text)}, {}, {}});
  }

  // A message of either side, a function's call or result.
  static Message read_entry(const Json& entry) {
    const auto type = entry["type"].string().value_or("");
    Message out;
    out.id = entry["id"].str();
    out.role = entry["role"].str();
    if (type == "function.call" || type == "tool.execution") {
      out.role = "assistant";
      Part part;
      part.kind = PartKind::kToolCall;
      part.wire_type = type;
      part.tool_name = entry["name"].str();
      part.tool_id = entry["tool_call_id"].str();
      const Json arguments = entry["arguments"];
      part.arguments = arguments.is_string() ? arguments.str() : arguments.dump();
      out.parts.push_back(std::move(part));
    } else if (type == "function.result") {
      out.role = "tool";
      Part part;
      part.kind = PartKind::kToolResult;
      part.wire_type = type;
      part.tool_id = entry["tool_call_id"].str();
      part.text = entry["result"].str();
      out.parts.push_back(std::move(part));
    } else {
      if (out.role.empty()) out.role = "user";
      read_openai_content(entry["content"], out);
    }
    return out;
  }

  static void message_delta(const Json& json, TimeNs ts_ns, CallRecord& call) {
    Message piece;
    read_openai_content(json["content"], piece);
    for (auto& part : piece.parts) {
      if (part.kind == PartKind::kText) {
        append_text(answer(call), PartKind::kText, part.text);
      } else if (answer(call).parts.size() < kMaxParts) {
        answer(call).parts.push_back(std::move(part));
      }
    }
    if (!piece.parts.empty()) mark_token(call, ts_ns);
  }

  static void call_delta(const Json& json, TimeNs ts_ns, CallRecord& call) {
    const auto id = json["tool_call_id"].string().value_or("");
    auto& parts = answer(call).parts;
    if (parts.empty() || parts.back().kind != PartKind::kToolCall || parts.back().tool_id != id) {
      if (parts.size() >= kMaxParts) return;
      Part part;
      part.kind = PartKind::kToolCall;
      part.wire_type = "function.call";
      part.tool_id = id;
      part.tool_name = json["name"].str();
      parts.push_back(std::move(part));
    }
    parts.back().arguments += json["arguments"].str();
    mark_token(call, ts_ns);
  }

  static void whole(const Json& json, CallRecord& call) {
    for (const auto page : json["pages"].elements()) {
      Message message{"assistant", {text_part("page", page["markdown"].str())}, {}, {}};
      for (const auto image : page["images"].elements()) {
        message.parts.push_back(
            media_from_url(PartKind::kImage, "image", image["image_base64"].string().value_or("")));
      }
      call.output.push_back(std::move(message));
    }
    if (const Json info = json["usage_info"]; info.is_object()) {
      call.vendor.push_back({"usage_info", info.dump()});
    }
    for (const auto entry : json["outputs"].elements()) {
      call.output.push_back(read_entry(entry));
      if (const auto model = entry["model"].string()) call.model_served = std::string(*model);
    }
  }
};

}  // namespace

extern const Provider kMistralNative;
const Provider kMistralNative = {"mistral_native", matches, confirms,
                                 [] { return std::unique_ptr<CallParser>(new MistralParser); }};

}  // namespace llmtap
