// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/llmobs_exporter.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "userspace/sinks/llmobs/llmobs_encode.h"

namespace llmtap {
namespace {

constexpr std::string_view kProxyPath = "/evp_proxy/v2";
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
  const auto host = url_host(origin.base);
  return host && (*host == "localhost" || *host == "127.0.0.1" || *host == "[::1]");
}

HttpEndpoint endpoint_at(const HttpOrigin& origin, const std::string& path) {
  return {origin.base + path, origin.unix_socket, {"Content-Type: application/json"}};
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

Result<HttpEndpoint> resolve_llmobs(const LlmobsTarget& target, HttpClient& client,
                                    const LlmobsIntake& intake) {
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
  const std::string subdomain(intake.subdomain);
  auto origin =
      direct ? parse_origin("https://" + subdomain + '.' + target.site) : std::move(agent);
  if (!target.override_origin.empty()) origin = parse_origin(target.override_origin);
  if (!origin) return origin.error();
  HttpEndpoint endpoint =
      endpoint_at(*origin, std::string(direct ? "" : kProxyPath) + std::string(intake.path));
  if (!direct) {
    endpoint.headers.push_back("X-Datadog-EVP-Subdomain: " + subdomain);
  } else if (!target.api_key.empty() && may_carry_key(*origin)) {
    endpoint.headers.push_back("DD-API-KEY: " + target.api_key);
  }
  return endpoint;
}

LlmobsWriter::LlmobsWriter(LlmobsTarget target, std::unique_ptr<Spool> spool,
                           DeliveryOptions options)
    : report_sdk_calls_(target.report_sdk_calls),
      delivery_(with_target(std::move(options), std::move(target)), std::move(spool)) {}

void LlmobsWriter::write(std::span<const SharedCall> calls) {
  const llmobs::EncodeOptions options;
  for (const auto& call : calls) {
    if (!report_sdk_calls_ && llmobs::reported_by_sdk(*call)) {
      ++withheld_;
      continue;
    }
    for (const auto& event : llmobs::encode_events(*call, options)) {
      delivery_.send(llmobs::envelope_json(event, options));
    }
  }
}

}  // namespace llmtap
