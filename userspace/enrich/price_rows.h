// SPDX-License-Identifier: Apache-2.0
//
// The rows of the price table as read from config/prices.json (its form: scripts/make-prices).
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/core/chunk.h"
#include "userspace/enrich/pricing.h"

namespace llmtap {

// One alternative of a match: a sign and a text, or a regex.
struct ModelRule {
  char sign = '=';
  std::string text;
  std::optional<std::regex> regex;

  bool fits(std::string_view model) const;
  std::size_t fit(std::string_view model) const;  // how well: 0 no, else more exact is more
};
// That of the best rule.
std::size_t best_fit(const std::vector<ModelRule>& rules, std::string_view model);

struct PriceRow {
  Price price;
  TimeNs from_ns = 0;
  std::optional<std::pair<unsigned, unsigned>> minutes;  // of the UTC day, [from, to)
  std::map<std::uint64_t, Price> above;  // input tokens → price of the whole request

  bool applies(TimeNs at_ns) const;
};

struct PricedModel {
  std::vector<ModelRule> rules;
  std::vector<PriceRow> rows;  // the last one that applies counts
};

// Names of models → what a service tier multiplies their prices by.
using TierFactors = std::vector<std::pair<ModelRule, double>>;

struct PricedProvider {
  std::vector<std::string> labels;
  std::vector<ModelRule> models_like;  // names that point at this vendor, wherever they are served
  std::vector<std::string> fallback;   // labels of providers whose prices hold here too
  std::map<std::string, TierFactors> tiers;  // "batch", "flex", "priority"
  std::vector<PricedModel> models;
};

// The factor of the rule that fits best; absent: what this tier costs is not known.
std::optional<double> tier_factor(const PricedProvider& provider, const std::string& tier,
                                  std::string_view model);

// Throws nlohmann::json::exception or std::regex_error on a text that has not this form.
std::vector<PricedProvider> read_providers(const nlohmann::json& list);

}  // namespace llmtap
