// SPDX-License-Identifier: Apache-2.0
#include "parsers/assembly/error_body.h"

#include <algorithm>
#include <string>

namespace llmtap {
namespace {

constexpr std::size_t kMaxBody = 16 * 1024;
constexpr std::size_t kMaxText = 1024;

// Strings as they are, numbers as their text, anything else is absent.
std::string text_of(const Json& value) {
  if (value.is_string()) return value.str();
  return value.is_number() ? value.dump() : std::string{};
}

// "com.amazon.coral.service#ThrottlingException" and "ThrottlingException:http://..." → the name.
std::string aws_type(std::string_view type) {
  const auto hash = type.rfind('#');
  if (hash != std::string_view::npos) type.remove_prefix(hash + 1);
  return std::string(type.substr(0, type.find(':')));
}

std::string message_of(const Json& object) {
  for (const char* key : {"message", "Message", "detail", "error_description", "error", "msg"}) {
    const Json value = object[key];
    if (value.is_string()) return value.str();
    if (value.is_array() || (value.is_object() && key != std::string_view("error"))) {
      return value.dump();
    }
  }
  return {};
}

void read_object(const Json& object, CallError& error) {
  const Json inner = object["error"].is_object() ? object["error"] : object;
  error.type = text_of(inner["type"]);
  if (error.type.empty()) error.type = inner["status"].str();
  error.code = text_of(inner["code"]);
  error.message = message_of(inner);
  if (error.type.empty()) error.type = aws_type(text_of(object["__type"]));
}

}  // namespace

CallError read_error(const Headers& response, std::string_view body, const Json& json) {
  CallError error;
  const Json root = json.is_array() ? json.at(0) : json;
  if (root.is_object()) {
    read_object(root, error);
  } else if (root.is_string()) {
    error.message = root.str();
  } else {
    error.message = std::string(body.substr(0, kMaxText));
  }
  if (json.exists()) {
    error.body = json.dump();
    if (error.body.size() > kMaxBody) error.body.resize(kMaxBody);
  }
  if (error.type.empty()) {
    error.type = aws_type(find_header(response, "x-amzn-errortype").value_or(std::string_view{}));
  }
  return error;
}

}  // namespace llmtap
