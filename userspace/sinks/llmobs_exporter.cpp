// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/llmobs_exporter.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "userspace/sinks/llmobs/llmobs_encode.h"

namespace llmtap {
namespace {

constexpr std::string_view kIntakePath = "/api/v2/llmobs";
constexpr std::string_view kProxyPath = "/evp_proxy/v2/api/v2/llmobs";
constexpr std::size_t kPayloadBytes = 5'242'880;
constexpr std::size_t kMostRecords = 1000;
constexpr std::chrono::milliseconds kProbeTimeout{2000};

// Does the Agent's /info list the proxy? Everything else (no answer, 404, other JSON) is a no.
bool offers_proxy(const HttpOrigin& agent, HttpClient& client) {
  HttpRequest request;
  request.url = agent.base + "/info";
  request.unix_socket = agent.unix_socket;
  request.timeout = kProbeTimeout;
  const auto response = client.send(request);
  if (!response || response->status != 200) return false;
  const auto info = nlohmann::json::parse(response->body, nullptr, false);
  if (!info.is_object()) return false;
  const auto endpoints = info.find("endpoints");
  if (endpoints == info.end() || !endpoints->is_array()) return false;
  for (const auto& endpoint : *endpoints) {
    if (endpoint.is_string() &&
        endpoint.get_ref<const std::string&>().find("/evp_proxy/v2") != std::string::npos) {
      return true;
    }
  }
  return false;
}

// A key in clear text over the network would be anybody's.
bool may_carry_key(const HttpOrigin& origin) {
  if (!origin.unix_socket.empty() || origin.base.starts_with("https://")) return true;
  for (const char* loopback : {"http://localhost", "http://127.0.0.1", "http://[::1]"}) {
    if (origin.base.starts_with(loopback)) return true;
  }
  return false;
}

Endpoint endpoint_at(const HttpOrigin& origin, std::string_view path) {
  return {origin.base + std::string(path), origin.unix_socket, {"Content-Type: application/json"}};
}

DeliveryOptions with_target(DeliveryOptions options, LlmobsTarget target) {
  options.name = "datadog";
  options.head = "[";
  options.separator = ",";
  options.tail = "]";
  options.batch_records = kMostRecords;
  // Brackets and commas count too.
  options.batch_bytes = kPayloadBytes - kMostRecords - 2;
  options.resolve = [target = std::move(target)](HttpClient& client) {
    return resolve_llmobs(target, client);
  };
  return options;
}

}  // namespace

Result<Endpoint> resolve_llmobs(const LlmobsTarget& target, HttpClient& client) {
  auto agent = parse_origin(target.agent_url);
  if (!agent) return agent.error();
  bool direct = target.agentless.value_or(false);
  if (!target.agentless && !offers_proxy(*agent, client)) {
    if (target.api_key.empty() && target.override_origin.empty()) {
      return Error{"no Datadog Agent with evp_proxy at " + target.agent_url +
                   ", and no DD_API_KEY for the direct way"};
    }
    direct = true;
  }
  auto origin = direct ? parse_origin("https://llmobs-intake." + target.site) : std::move(agent);
  if (!target.override_origin.empty()) origin = parse_origin(target.override_origin);
  if (!origin) return origin.error();
  Endpoint endpoint = endpoint_at(*origin, direct ? kIntakePath : kProxyPath);
  if (!direct) {
    endpoint.headers.emplace_back("X-Datadog-EVP-Subdomain: llmobs-intake");
  } else if (!target.api_key.empty() && may_carry_key(*origin)) {
    endpoint.headers.push_back("DD-API-KEY: " + target.api_key);
  }
  return endpoint;
}

LlmobsWriter::LlmobsWriter(LlmobsTarget target, std::unique_ptr<Spool> spool,
                           DeliveryOptions options)
    : delivery_(with_target(std::move(options), std::move(target)), std::move(spool)) {}

void LlmobsWriter::write(std::span<const SharedCall> calls) {
  const llmobs::EncodeOptions options;
  for (const auto& call : calls) {
    if (llmobs::reported_by_sdk(*call)) {
      ++left_to_sdk_;
      continue;
    }
    delivery_.send(llmobs::envelope_json(llmobs::encode_event(*call, options), options));
  }
}

}  // namespace llmtap
