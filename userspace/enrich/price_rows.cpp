// SPDX-License-Identifier: Apache-2.0
#include "userspace/enrich/price_rows.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

namespace llmtap {
namespace {

using nlohmann::json;

ModelRule read_rule(const std::string& text) {
  ModelRule rule;
  rule.sign = text.at(0);
  rule.text = text.substr(1);
  if (rule.sign == '~') rule.regex = std::regex(rule.text);
  return rule;
}

std::vector<ModelRule> read_rules(const json& list) {
  std::vector<ModelRule> rules;
  for (const auto& text : list) rules.push_back(read_rule(text.get<std::string>()));
  return rules;
}

Price read_price(const json& row, const Price& base) {
  struct Field {
    const char* key;
    std::optional<double> Price::* field;
  };
  static constexpr std::array kFields = {Field{"in", &Price::input},
                                         Field{"out", &Price::output},
                                         Field{"cr", &Price::cache_read},
                                         Field{"cw", &Price::cache_write},
                                         Field{"cw1h", &Price::cache_write_1h},
                                         Field{"rs", &Price::reasoning},
                                         Field{"ia", &Price::input_audio},
                                         Field{"oa", &Price::output_audio},
                                         Field{"ii", &Price::input_image},
                                         Field{"oi", &Price::output_image},
                                         Field{"req", &Price::per_1000_requests}};
  Price price = base;
  for (const auto& field : kFields) {
    if (const auto found = row.find(field.key); found != row.end())
      price.*field.field = found->get<double>();
  }
  return price;
}

// "2026-03-13" → its first instant, UTC.
TimeNs read_date(const std::string& text) {
  std::tm tm{};
  if (std::sscanf(text.c_str(), "%d-%d-%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday) != 3) return 0;
  tm.tm_year -= 1900;
  tm.tm_mon -= 1;
  return static_cast<TimeNs>(timegm(&tm)) * 1'000'000'000;
}

unsigned read_minute(const std::string& text) {
  unsigned hour = 0;
  unsigned minute = 0;
  if (std::sscanf(text.c_str(), "%u:%u", &hour, &minute) != 2) return 0;
  return hour * 60 + minute;
}

PriceRow read_row(const json& row) {
  PriceRow out;
  out.price = read_price(row, {});
  if (const auto from = row.find("from"); from != row.end()) out.from_ns = read_date(*from);
  if (const auto hours = row.find("hours"); hours != row.end()) {
    out.minutes = {read_minute(hours->at(0)), read_minute(hours->at(1))};
  }
  if (const auto above = row.find("above"); above != row.end()) {
    for (const auto& [tokens, prices] : above->items()) {
      out.above[std::stoull(tokens)] = read_price(prices, out.price);
    }
  }
  return out;
}

}  // namespace

bool ModelRule::fits(std::string_view model) const {
  switch (sign) {
    case '=':
      return model == text;
    case '^':
      return model.starts_with(text);
    case '$':
      return model.ends_with(text);
    case '*':
      return model.find(text) != std::string_view::npos;
    case '~':
      return regex && std::regex_search(model.begin(), model.end(), *regex);
    default:
      return false;
  }
}

// Exact beats prefix beats anything else; within one kind the longer text is the closer one.
std::size_t ModelRule::fit(std::string_view model) const {
  constexpr std::size_t kKind = 1000;
  if (!fits(model)) return 0;
  const std::size_t kind = sign == '=' ? 3 : sign == '^' ? 2 : 1;
  return kind * kKind + std::min(text.size(), kKind - 1);
}

std::size_t best_fit(const std::vector<ModelRule>& rules, std::string_view model) {
  std::size_t best = 0;
  for (const auto& rule : rules) best = std::max(best, rule.fit(model));
  return best;
}

std::optional<double> tier_factor(const PricedProvider& provider, const std::string& tier,
                                  std::string_view model) {
  const auto rules = provider.tiers.find(tier);
  if (rules == provider.tiers.end()) return std::nullopt;
  std::optional<double> factor;
  std::size_t best = 0;
  for (const auto& [rule, value] : rules->second) {
    const auto fit = rule.fit(model);
    if (fit <= best) continue;
    best = fit;
    factor = value;
  }
  return factor;
}

bool PriceRow::applies(TimeNs at_ns) const {
  if (at_ns < from_ns) return false;
  if (!minutes) return true;
  const auto minute = static_cast<unsigned>(at_ns / 60'000'000'000 % (24 * 60));
  return minute >= minutes->first && minute < minutes->second;
}

std::vector<PricedProvider> read_providers(const json& list) {
  std::vector<PricedProvider> providers;
  for (const auto& entry : list) {
    PricedProvider provider;
    provider.labels = entry.at("labels").get<std::vector<std::string>>();
    if (const auto like = entry.find("models_like"); like != entry.end()) {
      provider.models_like = read_rules(*like);
    }
    if (const auto fallback = entry.find("fallback"); fallback != entry.end()) {
      provider.fallback = fallback->get<std::vector<std::string>>();
    }
    if (const auto tiers = entry.find("tiers"); tiers != entry.end()) {
      for (const auto& [tier, factors] : tiers->items()) {
        for (const auto& [rule, factor] : factors.items()) {
          provider.tiers[tier].emplace_back(read_rule(rule), factor.get<double>());
        }
      }
    }
    for (const auto& model : entry.at("models")) {
      PricedModel priced{read_rules(model.at("match")), {}};
      for (const auto& row : model.at("prices")) priced.rows.push_back(read_row(row));
      provider.models.push_back(std::move(priced));
    }
    providers.push_back(std::move(provider));
  }
  return providers;
}

}  // namespace llmtap
