// SPDX-License-Identifier: Apache-2.0
//
// http://www.softwareishard.com/blog/har-12-spec/
// Bodies in a HAR are decoded text (or base64 of it), so content-encoding no longer holds.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "parsers/core/base64.h"
#include "userspace/cli/gzip_lines.h"
#include "userspace/cli/interaction.h"

namespace llmtap {
namespace {

using Value = nlohmann::json;

const Value& member(const Value& object, const char* key) {
  static const Value kAbsent;
  if (!object.is_object()) return kAbsent;
  const auto found = object.find(key);
  return found == object.end() ? kAbsent : *found;
}

std::string text(const Value& object, const char* key) {
  const Value& value = member(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

Headers read_headers(const Value& message) {
  Headers headers;
  for (const auto& header : member(message, "headers")) {
    const std::string name = text(header, "name");
    if (!name.empty() && name.front() != ':') headers.add(name, text(header, "value"));
  }
  return headers.without([](const Header& header) { return header.name == "content-encoding"; });
}

// {"text", "encoding"?: "base64"}.
std::string read_body(const Value& content, std::string& defect) {
  std::string body = text(content, "text");
  if (text(content, "encoding") != "base64") return body;
  auto decoded = decode_base64(body);
  if (!decoded) {
    defect = "a body is no valid base64";
    return {};
  }
  return std::move(*decoded);
}

void split_url(const std::string& url, RequestHead& head) {
  const auto scheme = url.find("://");
  const auto start = scheme == std::string::npos ? 0 : scheme + 3;
  const auto slash = url.find_first_of("/?", start);
  head.authority = url.substr(start, slash == std::string::npos ? slash : slash - start);
  head.path = slash == std::string::npos ? "/" : url.substr(slash, url.find('#', slash) - slash);
  if (head.path.front() == '?') head.path.insert(0, "/");
}

RecordedInteraction read_entry(const Value& entry) {
  RecordedInteraction out;
  const Value& request = member(entry, "request");
  const Value& response = member(entry, "response");
  if (!request.is_object() || !response.is_object()) {
    out.defect = "the entry has no request or no response";
    return out;
  }
  out.request.method = text(request, "method");
  split_url(text(request, "url"), out.request);
  out.request.headers = read_headers(request);
  out.request_body = read_body(member(request, "postData"), out.defect);
  out.response.headers = read_headers(response);
  out.response_body = read_body(member(response, "content"), out.defect);
  if (const Value& status = member(response, "status"); status.is_number_integer()) {
    out.response.status = status.get<int>();
  }
  if (out.request.method.empty()) out.defect = "no method";
  return out;
}

}  // namespace

Status read_har_file(const std::string& path, const InteractionSink& sink) {
  auto whole = read_whole(path);
  if (!whole.ok()) return whole.error();
  const auto har = Value::parse(*whole, nullptr, /*allow_exceptions=*/false);
  const Value& entries = member(member(har, "log"), "entries");
  if (!entries.is_array()) return Error{path + ": no HAR file: log.entries is missing"};
  const std::string name = std::filesystem::path(path).filename().string();
  std::size_t number = 0;
  for (const auto& entry : entries) {
    RecordedInteraction interaction = read_entry(entry);
    interaction.id = name + "#" + std::to_string(number++);
    sink(std::move(interaction));
  }
  return Unit{};
}

}  // namespace llmtap
