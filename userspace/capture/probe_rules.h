// SPDX-License-Identifier: Apache-2.0
//
// config/probe_rules.json, built into the program: how functions are recognised without symbols.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "userspace/capture/error_anchor.h"

namespace llmtap {

// A function raises all of `all` and none of `none`.
struct ReasonRule {
  std::vector<std::uint32_t> all;
  std::vector<std::uint32_t> none;

  bool matches(const AnchoredFunction& function) const;
};

// Alternatives, the better first.
using ReasonRules = std::vector<ReasonRule>;

struct ProbeRules {
  struct {
    std::string file;
    ReasonRules write, read_impl, read;
  } boringssl;
  struct {
    std::string file;
    ReasonRules seal, seal_scatter, open, open_gather;
  } awslc;
  struct {
    std::string write, read;  // names of functions
  } openssl;
};

const ProbeRules& probe_rules();

// The functions that match the first alternative that any function matches.
std::vector<const AnchoredFunction*> matching(const std::vector<AnchoredFunction>& functions,
                                              const ReasonRules& rules);

}  // namespace llmtap
