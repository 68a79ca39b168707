// SPDX-License-Identifier: Apache-2.0
#include "userspace/enrich/proxy_hops.h"

#include <functional>
#include <optional>
#include <string_view>

namespace llmtap {
namespace {

constexpr std::size_t kShortestId = 8;  // "0" and the like are nobody's

std::size_t hash_of_answer(const CallRecord& call) {
  std::size_t hash = 0;
  for (const auto& message : call.output) {
    for (const auto& part : message.parts) {
      for (const std::string* text : {&part.text, &part.arguments}) {
        if (!text->empty()) hash = hash * 31 + std::hash<std::string_view>{}(*text);
      }
    }
  }
  return hash;
}

// The process that answered, if it is one of this node.
std::optional<std::uint32_t> server_of(const CallRecord& call) {
  if (call.observed == ObservedEnd::kServer) return call.conn.tgid;
  if (call.server) return call.server->conn.tgid;
  return std::nullopt;
}

}  // namespace

// Among the calls of the serving process within the hop: the one with the same response id, else
// the same answer, else the last that began.
ProxyHops::Call* ProxyHops::behind(const CallRecord& hop) {
  const auto server = server_of(hop);
  const std::size_t answer = hash_of_answer(hop);
  const TimeNs end_ns = hop.timing.end + kSlackNs;
  Call* best = nullptr;
  int best_value = 0;
  for (auto& call : calls_) {
    if (call.taken || call.begin_ns < hop.timing.request_start || call.end_ns > end_ns) continue;
    const bool same_id =
        hop.response_id.size() >= kShortestId && call.response_id == hop.response_id;
    if (server ? call.tgid != *server : !same_id || call.tgid == hop.conn.tgid) continue;
    const int value = same_id ? 3 : answer != 0 && call.answer == answer ? 2 : 1;
    if (value < best_value) continue;
    best = &call;
    best_value = value;
  }
  return best;
}

void ProxyHops::remember(const CallRecord& call) {
  if (call.observed == ObservedEnd::kServer) return;
  while (!calls_.empty() &&
         (calls_.size() >= kMostCalls || calls_.front().end_ns + kRememberNs < call.timing.end)) {
    calls_.pop_front();
  }
  calls_.push_back({call.conn.tgid, call.timing.request_start, call.timing.end, call.id,
                    call.response_id, hash_of_answer(call)});
}

void ProxyHops::apply(CallRecord& call) {
  Call* const found = behind(call);
  if (found != nullptr) {
    found->taken = true;
    call.vendor.push_back({"proxy_hop", '"' + found->id + '"'});
    call.cost.reset();
  }
  remember(call);
}

}  // namespace llmtap
