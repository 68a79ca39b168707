// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "parsers/core/base64.h"
#include "userspace/cli/gzip_lines.h"
#include "userspace/cli/interaction.h"

namespace llmtap {
namespace {

using Value = nlohmann::json;

std::string text(const Value& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// [[name, value], ...].
Headers read_headers(const Value& message) {
  Headers headers;
  const auto list = message.find("headers");
  if (list == message.end() || !list->is_array()) return headers;
  for (const auto& pair : *list) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
      continue;
    }
    headers.add(pair[0].get_ref<const std::string&>(), pair[1].get_ref<const std::string&>());
  }
  return headers;
}

std::string authority(const Value& request) {
  std::string out = text(request, "host");
  const auto port = request.find("port");
  if (port == request.end() || !port->is_number_integer()) return out;
  const int number = port->get<int>();
  const bool usual = number == (text(request, "scheme") == "http" ? 80 : 443);
  return usual ? out : out + ":" + std::to_string(number);
}

bool read_message(const Value& line, const char* side, Value& message, std::string& body) {
  const auto found = line.find(side);
  if (found == line.end() || !found->is_object()) return false;
  message = *found;
  auto decoded = decode_base64(text(message, "body_b64"));
  if (!decoded) return false;
  body = std::move(*decoded);
  return true;
}

RecordedInteraction read_line(std::string_view json) {
  RecordedInteraction out;
  const auto line = Value::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!line.is_object()) {
    out.defect = "the line is no JSON object";
    return out;
  }
  out.id = text(line, "id");
  Value request, response;
  if (!read_message(line, "request", request, out.request_body)) {
    out.defect = "no readable request";
    return out;
  }
  if (!read_message(line, "response", response, out.response_body)) {
    out.defect = "no readable response";
    return out;
  }
  out.request.method = text(request, "method");
  out.request.path = text(request, "path");
  out.request.authority = authority(request);
  out.request.headers = read_headers(request);
  out.response.headers = read_headers(response);
  const auto status = response.find("status");
  if (status != response.end() && status->is_number_integer()) {
    out.response.status = status->get<int>();
  }
  if (out.request.method.empty() || out.request.path.empty()) out.defect = "no method or path";
  return out;
}

}  // namespace

Status read_corpus_file(const std::string& path, const InteractionSink& sink) {
  return for_each_line(path, [&](std::string_view line) { sink(read_line(line)); });
}

}  // namespace llmtap
