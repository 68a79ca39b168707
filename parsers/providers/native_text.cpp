// SPDX-License-Identifier: Apache-2.0
#include "parsers/providers/native_text.h"

#include <algorithm>
#include <initializer_list>

#include "parsers/providers/common.h"

namespace llmtap {
namespace {

constexpr std::size_t kMaxGenerations = 256;

// Content, not parameters.
constexpr std::string_view kContent[] = {"prompt",
                                         "inputText",
                                         "message",
                                         "messages",
                                         "chat_history",
                                         "texts",
                                         "inputs",
                                         "query",
                                         "documents",
                                         "image",
                                         "images",
                                         "inputImage",
                                         "text_prompts",
                                         "system",
                                         "textToImageParams",
                                         "imageVariationParams",
                                         "inPaintingParams",
                                         "outPaintingParams",
                                         "singleEmbeddingParams",
                                         "segmentedEmbeddingParams",
                                         "backgroundRemovalParams",
                                         "colorGuidedGenerationParams"};

// Their members are parameters of their own.
constexpr std::string_view kGroups[] = {"textGenerationConfig", "imageGenerationConfig",
                                        "inferenceConfig", "parameters", "embeddingConfig"};

template <std::size_t N>
bool one_of(const std::string_view (&list)[N], std::string_view name) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

Json first_of(const Json& object, std::initializer_list<std::string_view> keys) {
  for (const auto key : keys) {
    if (const Json found = object[key]; found.exists() && !found.is_null()) return found;
  }
  return {};
}

void read_parameters(const Json& body, CallRecord& call) {
  for (const auto [name, value] : body.members()) {
    if (one_of(kContent, name)) continue;
    if (one_of(kGroups, name) && value.is_object()) {
      for (const auto [inner, setting] : value.members()) {
        add_param(call, inner, dump_without_media(setting));
      }
    } else {
      add_param(call, name, dump_without_media(value));
    }
  }
}

void add_text(std::string_view role, const Json& text, CallRecord& call) {
  if (!text.is_string()) return;
  call.input.push_back({std::string(role), {text_part("", text.string().value_or(""))}, {}, {}});
}

bool read_embedding_request(const Json& body, std::string_view model, CallRecord& call) {
  const Json single = first_of(body, {"singleEmbeddingParams", "segmentedEmbeddingParams"});
  const bool embeds =
      single.exists() || body["texts"].is_array() || model.find("embed") != std::string_view::npos;
  if (!embeds) return false;
  call.operation = Operation::kEmbeddings;
  for (const auto text : body["texts"].elements()) call.documents.push_back(text.str());
  const Json text = single.exists() ? single["text"]["value"] : body["inputText"];
  if (text.is_string()) call.documents.push_back(text.str());
  return true;
}

bool read_rerank_request(const Json& body, CallRecord& call) {
  if (!body["documents"].is_array() || !body["query"].is_string()) return false;
  call.operation = Operation::kRerank;
  add_text("user", body["query"], call);
  for (const auto document : body["documents"].elements()) {
    call.documents.push_back(document.is_string() ? document.str() : dump_without_media(document));
  }
  return true;
}

bool read_image_request(const Json& body, std::string_view model, CallRecord& call) {
  const Json params = first_of(
      body, {"textToImageParams", "imageVariationParams", "inPaintingParams", "outPaintingParams",
             "colorGuidedGenerationParams", "backgroundRemovalParams"});
  const bool stability =
      body["text_prompts"].is_array() || model.find("stability") != std::string_view::npos;
  if (!params.exists() && !stability) return false;
  call.operation = Operation::kImage;
  add_text("user", params["text"], call);
  for (const auto prompt : body["text_prompts"].elements()) add_text("user", prompt["text"], call);
  if (call.input.empty()) add_text("user", body["prompt"], call);
  for (const auto key : {"images", "image", "maskImage"}) {
    const Json given = params[key];
    if (call.input.empty()) call.input.emplace_back().role = "user";
    auto& parts = call.input.back().parts;
    if (const auto data = given.string()) {
      parts.push_back(media_from_base64(PartKind::kImage, key, "image/png", *data));
    }
    for (const auto image : given.elements()) {
      parts.push_back(
          media_from_base64(PartKind::kImage, key, "image/png", image.string().value_or("")));
    }
  }
  return true;
}

Message& generation(std::size_t index, CallRecord& call) {
  index = std::min(index, kMaxGenerations - 1);
  while (call.output.size() <= index) call.output.emplace_back();
  return call.output[index];
}

void add_generation(std::size_t index, const Json& text, const Json& reason, TimeNs ts_ns,
                    CallRecord& call) {
  Message& message = generation(index, call);
  if (const auto piece = text.string()) {
    if (message.parts.empty()) message.parts.push_back(text_part("", {}));
    message.parts.front().text += *piece;
    if (!piece->empty()) mark_token(call, ts_ns);
  }
  if (const auto why = reason.string()) {
    message.finish_reason = std::string(*why);
    if (!call.finish_reason) call.finish_reason = message.finish_reason;
  }
}

bool read_list(const Json& list, std::string_view key, TimeNs ts_ns, CallRecord& call) {
  if (!list.is_array()) return false;
  std::size_t index = 0;
  bool found = false;
  for (const auto item : list.elements()) {
    const Json text = key == "data" ? item["data"]["text"] : item[key];
    if (!text.is_string()) continue;
    found = true;
    Json reason =
        first_of(item, {"finish_reason", "stop_reason", "completionReason", "finishReason"});
    if (reason.is_object()) reason = reason["reason"];
    add_generation(index++, text, reason, ts_ns, call);
  }
  return found;
}

void read_images(const Json& body, CallRecord& call) {
  const auto add = [&](std::string_view data) {
    Message& message = generation(0, call);
    message.role = "assistant";
    message.parts.push_back(media_from_base64(PartKind::kImage, "image", "image/png", data));
  };
  for (const auto image : body["images"].elements()) add(image.string().value_or(""));
  for (const auto artifact : body["artifacts"].elements()) {
    add(artifact["base64"].string().value_or(""));
  }
}

bool read_embeddings(const Json& body, CallRecord& call) {
  if (body["embedding"].is_array()) {
    call.embedding_count = 1;
    call.embedding_size = body["embedding"].size();
  } else if (const Json many = body["embeddings"]; many.is_object()) {  // by type
    for (const auto [type, list] : many.members()) {
      call.embedding_count = list.size();
      call.embedding_size = list.at(0).size();
      break;
    }
  } else if (many.is_array()) {
    call.embedding_count = many.size();
    const Json first = many.at(0);
    call.embedding_size = first.is_object() ? first["embedding"].size() : first.size();
  } else {
    return false;
  }
  call.operation = Operation::kEmbeddings;
  return true;
}

void read_ranking(const Json& results, CallRecord& call) {
  for (const auto result : results.elements()) {
    const auto index = result["index"].count();
    if (!index || *index >= call.documents.size()) continue;
    Message message;
    message.parts.push_back(text_part("document", call.documents[*index]));
    message.parts.back().raw = result.dump();
    call.output.push_back(std::move(message));
  }
}

void read_tokens(const Json& body, CallRecord& call) {
  const auto input = first_of(body, {"inputTextTokenCount", "prompt_token_count"}).count();
  if (input) call.usage.input_uncached = input;
  auto output = first_of(body, {"totalOutputTextTokenCount", "generation_token_count"}).count();
  if (!output) output = body["results"].at(0)["tokenCount"].count();
  if (output) call.usage.output_visible = output;
  const Json usage = body["usage"];
  if (const auto prompt = usage["prompt_tokens"].count()) call.usage.input_uncached = prompt;
  if (const auto made = usage["completion_tokens"].count()) call.usage.output_visible = made;
  const Json billed = body["meta"]["billed_units"];
  if (billed["search_units"].exists()) call.usage.search_units = billed["search_units"].count();
}

}  // namespace

void read_native_request(const Json& body, std::string_view model, CallRecord& call) {
  call.operation = Operation::kTextCompletion;
  read_parameters(body, call);
  if (read_embedding_request(body, model, call) || read_rerank_request(body, call) ||
      read_image_request(body, model, call)) {
    return;
  }
  for (const auto turn : body["chat_history"].elements()) {  // Cohere Command R
    add_text(turn["role"].string().value_or(""), first_of(turn, {"message", "text"}), call);
  }
  if (body["message"].is_string()) {
    call.operation = Operation::kChat;
    add_text("USER", body["message"], call);
  }
  add_text("", first_of(body, {"prompt", "inputText", "inputs"}), call);
}

void read_native_answer(const Json& body, TimeNs ts_ns, CallRecord& call) {
  if (body.is_array()) {
    read_list(body, "generated_text", ts_ns, call);
    return;
  }
  if (!body.is_object()) return;
  read_tokens(body, call);
  if (call.response_id.empty()) {
    call.response_id = first_of(body, {"generation_id", "id"}).str();
  }
  if (read_embeddings(body, call)) return;
  if (call.operation == Operation::kRerank) return read_ranking(body["results"], call);
  read_images(body, call);
  if (read_list(body["results"], "outputText", ts_ns, call) ||
      read_list(body["generations"], "text", ts_ns, call) ||
      read_list(body["outputs"], "text", ts_ns, call) ||
      read_list(body["completions"], "data", ts_ns, call) ||
      read_list(body["choices"], "text", ts_ns, call)) {
    return;
  }
  const Json text =
      first_of(body, {"outputText", "generation", "completion", "generated_text", "text"});
  const Json reason = first_of(body, {"completionReason", "stop_reason", "finish_reason"});
  const std::size_t index = body["index"].count().value_or(0);
  // Cohere's last piece of a stream only says why, or repeats the whole text.
  const bool repeats = body["is_finished"].boolean() == true;
  if (text.exists() || reason.exists()) {
    add_generation(index, repeats ? Json{} : text, reason, ts_ns, call);
  }
}

}  // namespace llmtap
