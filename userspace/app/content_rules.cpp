// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/content_rules.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "userspace/enrich/redact.h"
#include "userspace/enrich/user_patterns.h"
#include "userspace/sinks/sampling.h"

namespace llmtap {
namespace {

// Without a list of its own a rule holds for every exporter; the store thins out only by name,
// since its figures would be wrong.
bool applies(const SamplingConfig& rule, std::string_view destination) {
  if (rule.to.empty()) return destination != "store";
  return std::find(rule.to.begin(), rule.to.end(), destination) != rule.to.end();
}

std::vector<SamplingRule> sampling_for(const Config& config, std::string_view destination) {
  std::vector<SamplingRule> rules;
  for (const auto& row : config.sampling) {
    if (!applies(row, destination)) continue;
    if (auto filter = parse_filter(row.when)) rules.push_back({std::move(*filter), row.rate});
  }
  return rules;
}

std::shared_ptr<const UserPatterns> patterns_of(const Config& config) {
  auto patterns = std::make_shared<UserPatterns>();
  for (const auto& row : config.redaction.patterns)
    static_cast<void>(patterns->add(row.name, row.regex));
  return patterns;
}

}  // namespace

Prepare content_rules(const Config& config, std::string_view destination, ContentPolicy policy) {
  auto rules = sampling_for(config, destination);
  if (policy == ContentPolicy::kFull && rules.empty()) return {};
  return [policy, rules = std::move(rules),
          patterns = patterns_of(config)](const SharedCall& call) -> SharedCall {
    if (!sampled(rules, *call)) return nullptr;
    if (policy == ContentPolicy::kFull) return call;
    auto copy = std::make_shared<CallRecord>(*call);
    if (policy == ContentPolicy::kNone) drop_content(*copy);
    redact(*copy, {.personal = true, .patterns = patterns.get()});
    return copy;
  };
}

}  // namespace llmtap
