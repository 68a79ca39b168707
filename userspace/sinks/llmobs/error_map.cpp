// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/llmobs/error_map.h"

namespace llmtap::llmobs {
namespace {

std::string_view class_of(int status) {
  switch (status) {
    case 400:
      return "BadRequestError";
    case 401:
      return "AuthenticationError";
    case 403:
      return "PermissionDeniedError";
    case 404:
      return "NotFoundError";
    case 409:
      return "ConflictError";
    case 422:
      return "UnprocessableEntityError";
    case 429:
      return "RateLimitError";
    default:
      return status >= 500 ? "InternalServerError" : "APIStatusError";
  }
}

}  // namespace

bool failed(const CallRecord& call) {
  if (call.error) return true;
  if (call.http_status && *call.http_status >= 400) return true;
  return call.end == End::kTruncated;
}

std::string error_type(const CallRecord& call, const Shape& shape) {
  if (shape.error_class != nullptr) return shape.error_class(call);
  const std::string prefix(shape.error_prefix);
  if (!prefix.ends_with('.') && !prefix.empty()) return prefix;  // one class for all
  if (call.http_status && *call.http_status >= 400)
    return prefix + std::string(class_of(*call.http_status));
  if (call.error)
    return prefix.empty() && !call.error->type.empty() ? call.error->type : prefix + "APIError";
  return prefix + "APIConnectionError";
}

Value error_value(const CallRecord& call, const Shape& shape) {
  std::string text;
  if (call.error && call.http_status && *call.http_status >= 400) {
    text = "Error code: " + std::to_string(*call.http_status);
    const std::string& body = call.error->body.empty() ? call.error->message : call.error->body;
    if (!body.empty()) text += " - " + body;
  } else if (call.error) {
    text = call.error->message.empty() ? call.error->body : call.error->message;
  } else if (call.http_status && *call.http_status >= 400) {
    text = "Error code: " + std::to_string(*call.http_status);
  } else {
    text = "the connection ended inside the answer";
  }
  return {{"type", error_type(call, shape)}, {"message", text}, {"stack", ""}};
}

}  // namespace llmtap::llmobs
