// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/otlp/resource.h"

#include <charconv>

#include "userspace/sinks/otlp/encode.h"

namespace llmtap::otlp {
namespace {

std::string_view environment(const CallRecord& call, std::string_view name) {
  for (const auto& [key, value] : call.process.environment) {
    if (key == name) return value;
  }
  return {};
}

// The first that says something wins.
void offer(Value& attributes, const std::string& key, std::string_view value) {
  if (!value.empty() && !attributes.contains(key)) attributes[key] = value;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    const char* digits = text.data() + i + 1;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

bool starts_with_any(std::string_view key, std::initializer_list<std::string_view> prefixes) {
  for (const auto prefix : prefixes) {
    if (key.starts_with(prefix)) return true;
  }
  return false;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> parse_pairs(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!text.empty()) {
    const auto piece = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), piece.size() + 1));
    const auto equals = piece.find('=');
    if (equals == std::string_view::npos) continue;
    std::string key(trimmed(piece.substr(0, equals)));
    if (!key.empty())
      pairs.emplace_back(std::move(key), percent_decoded(trimmed(piece.substr(equals + 1))));
  }
  return pairs;
}

Value service_resource(const CallRecord& call, const Host& host) {
  Value out = Value::object();
  const auto own = parse_pairs(environment(call, "OTEL_RESOURCE_ATTRIBUTES"));
  offer(out, "service.name", environment(call, "OTEL_SERVICE_NAME"));
  for (const auto& [key, value] : own) {
    if (starts_with_any(key, {"service.", "deployment.", "host.", "cloud."}))
      offer(out, key, value);
  }
  offer(out, "service.name", environment(call, "DD_SERVICE"));
  offer(out, "service.name", call.process.service);
  offer(out, "service.version", environment(call, "DD_VERSION"));
  offer(out, "deployment.environment.name", environment(call, "DD_ENV"));
  for (const auto& [key, value] : host.attributes) offer(out, key, value);
  offer(out, "service.name", "unknown_service");
  offer(out, "host.name", host.name);
  offer(out, "host.id", host.id);
  offer(out, "os.type", "linux");
  offer(out, "telemetry.sdk.name", kScopeName);
  offer(out, "telemetry.sdk.version", kScopeVersion);
  offer(out, "telemetry.sdk.language",
        call.process.language.empty() ? "cpp" : std::string_view(call.process.language));
  return out;
}

Value process_resource(const CallRecord& call, const Host& host) {
  Value out = service_resource(call, host);
  for (const auto& [key, value] : parse_pairs(environment(call, "OTEL_RESOURCE_ATTRIBUTES")))
    offer(out, key, value);
  offer(out, "container.id", call.process.container_id);
  for (const auto& [key, value] : call.process.environment) {
    if (key.starts_with("k8s.")) offer(out, key, value);  // userspace/enrich: seen from outside
  }
  if (call.process.pid != 0) out["process.pid"] = call.process.pid;
  const auto& exe = call.process.exe;
  offer(out, "process.executable.path", exe);
  offer(out, "process.executable.name",
        exe.empty() ? call.process.comm : exe.substr(exe.rfind('/') + 1));
  return out;
}

}  // namespace llmtap::otlp
