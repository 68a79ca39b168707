// SPDX-License-Identifier: Apache-2.0
//
// Gemini over gRPC, as Google's gapic clients speak it: POST /{package}.{Service}/{Method} with
//   google.ai.generativelanguage.v1beta.GenerativeService   GenerateContent, StreamGenerateContent
//   google.cloud.aiplatform.v1.PredictionService            the same methods
// https://github.com/googleapis/googleapis/tree/master/google/ai/generativelanguage
//
// The messages are those of the REST API. They are turned into its JSON by the tables below and read
// by Gemini's own parser; fields that are in no table are passed over. The two APIs number their
// fields differently. Quirk: the model is a field of the request, not part of the path.
#include <memory>
#include <string>
#include <string_view>

#include "parsers/core/protobuf.h"
#include "parsers/providers/protobuf_json.h"
#include "parsers/providers/provider.h"

namespace llmtap {

extern const Provider kGemini;

namespace {

using Field = ProtobufField;
using Schema = ProtobufSchema;
using Kind = Field::Kind;

// ---- Messages that both number alike ----
constexpr Field kBlobFields[] = {{1, "mimeType", Kind::kText}, {2, "data", Kind::kBytes}};
constexpr Schema kBlob{kBlobFields};
constexpr Field kFileFields[] = {{1, "mimeType", Kind::kText}, {2, "fileUri", Kind::kText}};
constexpr Schema kFile{kFileFields};
constexpr Field kCallFields[] = {
    {1, "name", Kind::kText}, {2, "args", Kind::kStruct}, {3, "id", Kind::kText}};
constexpr Schema kCall{kCallFields};
constexpr Field kResultFields[] = {
    {1, "name", Kind::kText}, {2, "response", Kind::kStruct}, {3, "id", Kind::kText}};
constexpr Schema kResult{kResultFields};
constexpr Field kFunctionFields[] = {{1, "name", Kind::kText}, {2, "description", Kind::kText}};
constexpr Schema kFunction{kFunctionFields};
constexpr Field kToolFields[] = {{1, "functionDeclarations", Kind::kMessage, true, &kFunction}};
constexpr Schema kTool{kToolFields};

// ---- google.ai.generativelanguage.v1beta ----
constexpr const char* kReasons[] = {"FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY",
                                    "RECITATION", "OTHER", "LANGUAGE", "BLOCKLIST",
                                    "PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL"};
constexpr Field kPartFields[] = {{2, "text", Kind::kText},
                                 {3, "inlineData", Kind::kMessage, false, &kBlob},
                                 {4, "functionCall", Kind::kMessage, false, &kCall},
                                 {5, "functionResponse", Kind::kMessage, false, &kResult},
                                 {6, "fileData", Kind::kMessage, false, &kFile},
                                 {11, "thought", Kind::kBool}};
constexpr Schema kPart{kPartFields};
constexpr Field kContentFields[] = {{1, "parts", Kind::kMessage, true, &kPart},
                                    {2, "role", Kind::kText}};
constexpr Schema kContent{kContentFields};
constexpr Field kConfigFields[] = {
    {1, "candidateCount", Kind::kInteger}, {2, "stopSequences", Kind::kText, true},
    {4, "maxOutputTokens", Kind::kInteger}, {5, "temperature", Kind::kFloat},
    {6, "topP", Kind::kFloat},             {7, "topK", Kind::kInteger},
    {13, "responseMimeType", Kind::kText}, {15, "presencePenalty", Kind::kFloat},
    {16, "frequencyPenalty", Kind::kFloat}};
constexpr Schema kConfig{kConfigFields};
constexpr Field kRequestFields[] = {{1, "model", Kind::kText},
                                    {2, "contents", Kind::kMessage, true, &kContent},
                                    {4, "generationConfig", Kind::kMessage, false, &kConfig},
                                    {5, "tools", Kind::kMessage, true, &kTool},
                                    {8, "systemInstruction", Kind::kMessage, false, &kContent},
                                    {9, "cachedContent", Kind::kText}};
constexpr Schema kRequest{kRequestFields};
constexpr Field kCandidateFields[] = {{1, "content", Kind::kMessage, false, &kContent},
                                      {2, "finishReason", Kind::kEnum, false, nullptr, kReasons},
                                      {3, "index", Kind::kInteger}};
constexpr Schema kCandidate{kCandidateFields};
constexpr Field kUsageFields[] = {
    {1, "promptTokenCount", Kind::kInteger},        {2, "candidatesTokenCount", Kind::kInteger},
    {3, "totalTokenCount", Kind::kInteger},         {4, "cachedContentTokenCount", Kind::kInteger},
    {8, "toolUsePromptTokenCount", Kind::kInteger}, {10, "thoughtsTokenCount", Kind::kInteger}};
constexpr Schema kUsage{kUsageFields};
constexpr Field kResponseFields[] = {{1, "candidates", Kind::kMessage, true, &kCandidate},
                                     {3, "usageMetadata", Kind::kMessage, false, &kUsage},
                                     {4, "modelVersion", Kind::kText},
                                     {5, "responseId", Kind::kText}};
constexpr Schema kResponse{kResponseFields};

// ---- google.cloud.aiplatform.v1 ----
constexpr const char* kVertexReasons[] = {"FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS",
                                          "SAFETY", "RECITATION", "OTHER", "BLOCKLIST",
                                          "PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL"};
constexpr Field kVertexPartFields[] = {{1, "text", Kind::kText},
                                       {2, "inlineData", Kind::kMessage, false, &kBlob},
                                       {3, "fileData", Kind::kMessage, false, &kFile},
                                       {5, "functionCall", Kind::kMessage, false, &kCall},
                                       {6, "functionResponse", Kind::kMessage, false, &kResult},
                                       {10, "thought", Kind::kBool}};
constexpr Schema kVertexPart{kVertexPartFields};
constexpr Field kVertexContentFields[] = {{1, "role", Kind::kText},
                                          {2, "parts", Kind::kMessage, true, &kVertexPart}};
constexpr Schema kVertexContent{kVertexContentFields};
constexpr Field kVertexConfigFields[] = {
    {1, "temperature", Kind::kFloat},       {2, "topP", Kind::kFloat},
    {3, "topK", Kind::kFloat},              {4, "candidateCount", Kind::kInteger},
    {5, "maxOutputTokens", Kind::kInteger}, {6, "stopSequences", Kind::kText, true},
    {8, "presencePenalty", Kind::kFloat},   {9, "frequencyPenalty", Kind::kFloat},
    {12, "seed", Kind::kInteger},           {13, "responseMimeType", Kind::kText}};
constexpr Schema kVertexConfig{kVertexConfigFields};
constexpr Field kVertexRequestFields[] = {
    {2, "contents", Kind::kMessage, true, &kVertexContent},
    {4, "generationConfig", Kind::kMessage, false, &kVertexConfig},
    {5, "model", Kind::kText},
    {6, "tools", Kind::kMessage, true, &kTool},
    {8, "systemInstruction", Kind::kMessage, false, &kVertexContent},
    {9, "cachedContent", Kind::kText}};
constexpr Schema kVertexRequest{kVertexRequestFields};
constexpr Field kVertexCandidateFields[] = {{1, "index", Kind::kInteger},
                                            {2, "content", Kind::kMessage, false, &kVertexContent},
                                            {3, "finishReason", Kind::kEnum, false, nullptr, kVertexReasons}};
constexpr Schema kVertexCandidate{kVertexCandidateFields};
constexpr Field kVertexUsageFields[] = {
    {1, "promptTokenCount", Kind::kInteger},         {2, "candidatesTokenCount", Kind::kInteger},
    {3, "totalTokenCount", Kind::kInteger},          {5, "cachedContentTokenCount", Kind::kInteger},
    {13, "toolUsePromptTokenCount", Kind::kInteger}, {14, "thoughtsTokenCount", Kind::kInteger}};
constexpr Schema kVertexUsage{kVertexUsageFields};
constexpr Field kVertexResponseFields[] = {
    {2, "candidates", Kind::kMessage, true, &kVertexCandidate},
    {4, "usageMetadata", Kind::kMessage, false, &kVertexUsage},
    {11, "modelVersion", Kind::kText},
    {13, "responseId", Kind::kText}};
constexpr Schema kVertexResponse{kVertexResponseFields};

// ---- The calls ----

constexpr std::string_view kGenerative = "google.ai.generativelanguage.";
constexpr std::string_view kVertex = "google.cloud.aiplatform.";

// "/google.cloud.aiplatform.v1.PredictionService/StreamGenerateContent" → its method, else empty.
std::string_view grpc_method(std::string_view path, bool& vertex) {
  if (!path.starts_with('/')) return {};
  path.remove_prefix(1);
  vertex = path.starts_with(kVertex);
  if (!vertex && !path.starts_with(kGenerative)) return {};
  return path.substr(path.rfind('/') + 1);
}

Match matches(const RequestHead& head) {
  bool vertex = false;
  const auto method = grpc_method(head.path, vertex);
  return method == "GenerateContent" || method == "StreamGenerateContent" ? Match::kYes : Match::kNo;
}

// A Content: parts and a role, which both APIs number the other way round.
bool is_content(std::string_view message, bool vertex) {
  ProtobufReader field(message);
  bool parts = false;
  while (field.next()) {
    if (field.number() > 2 || !field.has_bytes()) return false;
    const bool role = (field.number() == 1) == vertex;
    if (role && field.bytes() != "user" && field.bytes() != "model") return false;
    parts = parts || !role;
  }
  return field.ok() && parts;
}

// A GenerateContentRequest of one of the APIs: its model is a path, and all contents are contents.
bool is_request(std::string_view message, bool vertex) {
  bool model = false, contents = false;
  ProtobufReader field(message);
  while (field.next()) {
    if (field.number() == (vertex ? 5U : 1U)) {
      const auto path = field.bytes();
      model = vertex ? path.starts_with("projects/") || path.starts_with("publishers/")
                     : path.starts_with("models/") || path.starts_with("tunedModels/");
    }
    if (field.number() != 2) continue;
    if (!field.has_bytes() || !is_content(field.bytes(), vertex)) return false;
    contents = true;
  }
  return field.ok() && model && contents;
}

bool confirms_message(std::string_view message) {
  return is_request(message, false) || is_request(message, true);
}

class GeminiGrpcParser final : public CallParser {
 public:
  // Gemini's parser is asked as if the call had come by REST.
  void request(const RequestHead& head, const RequestBody& body, CallRecord& call) override {
    const auto method = grpc_method(head.path, vertex_);
    late_ = head.path.empty();
    if (late_) vertex_ = is_request(body.bytes, true);
    JsonDocument document;
    RequestBody rest;
    rest.whole = body.whole;
    rest.json =
        document.parse(message_json(body.bytes, vertex_ ? kVertexRequest : kRequest));
    const std::string model(rest.json["model"].string().value_or(""));
    streamed_ = method != "GenerateContent";
    RequestHead asked = head;
    asked.path = "/v1/" + (model.empty() ? "models/" : model) +
                 (streamed_ ? ":streamGenerateContent" : ":generateContent");
    inner_->request(asked, rest, call);
    if (model.empty()) call.model_requested.reset();
  }
  void response(const ResponseHead& head, CallRecord& call) override { inner_->response(head, call); }
  Step event(const BodyEvent& event, const Json&, CallRecord& call) override {
    const std::string text = message_json(event.data, vertex_ ? kVertexResponse : kResponse);
    BodyEvent rest = event;
    rest.data = text;
    ++events_;
    call.streamed = streamed_;  // gRPC frames every answer
    return inner_->event(rest, document_.parse(text), call);
  }
  void finish(CallRecord& call) override {
    inner_->finish(call);
    if (late_) call.streamed = events_ > 1;
  }

 private:
  bool vertex_ = false;
  bool streamed_ = false;
  bool late_ = false;  // no path: the method is unknown
  std::size_t events_ = 0;
  JsonDocument document_;
  std::unique_ptr<CallParser> inner_ = kGemini.make();
};

std::unique_ptr<CallParser> make() { return std::make_unique<GeminiGrpcParser>(); }

}  // namespace

extern const Provider kGeminiGrpc;
const Provider kGeminiGrpc = {"gemini", matches, nullptr, make, confirms_message};

}  // namespace llmtap
