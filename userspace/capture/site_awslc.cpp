// SPDX-License-Identifier: Apache-2.0
//
// rustls on AWS-LC: rustls itself has no stable functions, the AEAD behind it has. One call is one
// TLS record. Plaintext is read before it is sealed and after it was opened; kernel programs keep
// application data only. `open` contains `open_gather`, inlined in some builds.
#include <algorithm>
#include <array>

#include "userspace/capture/probe_rules.h"
#include "userspace/capture/site_finders.h"
#include "userspace/capture/x86.h"

namespace llmtap {
namespace {

struct Wanted {
  const char* name;
  const ReasonRules& rules;
  tls_call_shape shape;
  tls_direction direction;
};

}  // namespace

ProbePlan find_awslc(const ElfFile& elf) {
  const auto& rules = probe_rules().awslc;
  const auto functions = find_anchored(elf, rules.file);
  if (functions.empty()) return {};
  const std::array<Wanted, 4> all = {{
      {"EVP_AEAD_CTX_seal", rules.seal, TLS_CALL_AWSLC_SEAL, TLS_WRITE},
      {"EVP_AEAD_CTX_seal_scatter", rules.seal_scatter, TLS_CALL_AWSLC_SEAL_SCATTER, TLS_WRITE},
      {"EVP_AEAD_CTX_open", rules.open, TLS_CALL_AWSLC_OPEN, TLS_READ},
      {"EVP_AEAD_CTX_open_gather", rules.open_gather, TLS_CALL_AWSLC_OPEN_GATHER, TLS_READ},
  }};
  ProbePlan plan{TLS_LIB_RUSTLS_AWSLC, {}, {}};
  for (const auto& wanted : all) {
    const auto found = matching(functions, wanted.rules);
    // Merged into `open` by some linkers; `open` then sees what it would see.
    if (found.empty() && wanted.shape == TLS_CALL_AWSLC_OPEN_GATHER) continue;
    const auto code =
        found.size() == 1 ? elf.at(found[0]->range.begin) : std::span<const std::uint8_t>{};
    const auto first = decode(code, found.empty() ? 0 : found[0]->range.begin);
    if (found.size() != 1 || !first) {
      return {TLS_LIB_RUSTLS_AWSLC,
              {},
              std::string("AWS-LC: ") + wanted.name +
                  (found.empty() ? " was not found" : " is not unique")};
    }
    plan.sites.push_back({*elf.offset_of(found[0]->range.begin),
                          TLS_COOKIE(wanted.shape, wanted.direction, TLS_LIB_RUSTLS_AWSLC),
                          wanted.direction == TLS_READ, site_class(*first), SiteKind::kFound,
                          wanted.name});
  }
  return plan;
}

}  // namespace llmtap
