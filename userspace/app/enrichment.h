// SPDX-License-Identifier: Apache-2.0
//
// What the wire does not say about a call: its id, the daemon's own defaults, estimated tokens, the
// cost; and the secrets in its texts masked. The process is known before.
#pragma once

#include <cstdint>
#include <optional>

#include "parsers/core/call_record.h"
#include "userspace/app/config.h"
#include "userspace/enrich/pricing.h"
#include "userspace/enrich/proxy_hops.h"
#include "userspace/enrich/token_estimate.h"
#include "userspace/enrich/user_hash.h"

namespace llmtap {

// Belongs to the polling thread.
class Enrichment {
 public:
  explicit Enrichment(const Config& config);

  // Prices and defaults are those of `config` from now on; what was learned stays.
  void reload(const Config& config);
  void apply(CallRecord& call);

  std::uint64_t secrets_masked() const { return secrets_masked_; }

 private:
  DatadogConfig datadog_;
  PriceTable prices_;
  TokenEstimator estimator_;
  ProxyHops hops_;
  std::optional<UserHash> user_hash_;  // absent: ids stay as they are
  std::uint64_t serial_ = 0;
  std::uint64_t secrets_masked_ = 0;
};

}  // namespace llmtap
