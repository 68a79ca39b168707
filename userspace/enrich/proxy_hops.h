// SPDX-License-Identifier: Apache-2.0
//
// A gateway on this node (LiteLLM proxy and the like) shows every call twice: client → gateway and
// gateway → vendor. The second is the call; the first is marked with vendor `proxy_hop` (its value:
// the id of the call behind it) and loses its cost, so that nothing is counted twice (D22).
//
// Records come when their calls end, and a gateway cannot answer before its vendor has: the call
// behind a hop is known when the hop ends. It was made by the process that served the hop, within
// it; the vendor's response id, which most gateways pass on, or the same answer decides between
// several. Where the server's end was not seen, only that id does.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "parsers/core/call_record.h"

namespace llmtap {

class ProxyHops {
 public:
  static constexpr std::size_t kMostCalls = 4096;
  static constexpr TimeNs kRememberNs = 300'000'000'000;
  static constexpr TimeNs kSlackNs = 250'000'000;  // between the ends of the two

  // Every finished call once, with its id set.
  void apply(CallRecord& call);

 private:
  struct Call {
    std::uint32_t tgid;
    TimeNs begin_ns;
    TimeNs end_ns;
    std::string id;
    std::string response_id;
    std::size_t answer;  // hash of its text; 0: none
    bool taken = false;
  };

  Call* behind(const CallRecord& hop);
  void remember(const CallRecord& call);

  std::deque<Call> calls_;  // as they ended
};

}  // namespace llmtap
