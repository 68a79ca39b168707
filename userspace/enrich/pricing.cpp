// SPDX-License-Identifier: Apache-2.0
#include "userspace/enrich/pricing.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>
#include <vector>

#include "userspace/enrich/price_rows.h"

// The table of config/prices.json, from prices_data.cpp.
extern "C" const char llmtap_prices_begin[];
extern "C" const char llmtap_prices_end[];

namespace llmtap {
namespace {

constexpr std::size_t kLongestModelName = 256;  // hostile names must not cost time

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// "publishers/google/models/gemini-x", "models/gemini-x" → "gemini-x".
std::string_view without_path(std::string_view model) {
  constexpr std::string_view kModels = "models/";
  const auto at = model.rfind(kModels);
  return at == std::string_view::npos ? model : model.substr(at + kModels.size());
}

// Models that run on the user's own machines cost nothing that a table knows.
bool self_hosted(std::string_view label) {
  static constexpr std::array kLabels = {"ollama",   "vllm",      "llama_cpp", "llamacpp", "sglang",
                                         "lmstudio", "lm_studio", "tgi",       "localai"};
  return std::find(kLabels.begin(), kLabels.end(), label) != kLabels.end();
}

double per_token(std::optional<double> price) { return price.value_or(0) / 1e6; }

// Overrides win per class.
Price merged(Price base, const Price& over) {
  const auto take = [](std::optional<double>& field, const std::optional<double>& value) {
    if (value) field = value;
  };
  take(base.input, over.input);
  take(base.output, over.output);
  take(base.cache_read, over.cache_read);
  take(base.cache_write, over.cache_write);
  return base;
}

// "flex", "priority", "batch" of what the vendor says it served, else of what was asked for; ""
// for everything that costs the usual ("default", "auto", "scale", "ON_DEMAND", ...).
std::string tier_of(const CallRecord& call) {
  for (const auto* params : {&call.vendor, &call.params}) {
    for (const auto& param : *params) {
      if (param.name != "service_tier" && param.name != "serviceTier") continue;
      const std::string word = lower(param.json);
      for (const auto* tier : {"flex", "priority", "batch"}) {
        if (word.find(tier) != std::string::npos) return tier;
      }
      return {};
    }
  }
  return {};
}

bool has_output_tokens(Operation operation) {
  return operation == Operation::kChat || operation == Operation::kTextCompletion ||
         operation == Operation::kAgent;
}

}  // namespace

struct PriceTable::State {
  struct Override {
    std::string provider;
    std::string model;
    Price price;
  };
  std::string date;
  std::vector<PricedProvider> providers;
  std::vector<Override> overrides;

  const PricedProvider* by_label(std::string_view label) const {
    for (const auto& provider : providers) {
      for (const auto& name : provider.labels) {
        if (name == label) return &provider;
      }
    }
    return nullptr;
  }
  // A gateway or an unknown host: the model's name may say who made it.
  const PricedProvider* by_model(std::string_view model) const {
    for (const auto& provider : providers) {
      if (best_fit(provider.models_like, model) > 0) return &provider;
    }
    return nullptr;
  }

  static const PricedModel* model_of(const PricedProvider& provider, std::string_view model) {
    const PricedModel* best = nullptr;
    std::size_t best_value = 0;
    for (const auto& candidate : provider.models) {
      const auto value = best_fit(candidate.rules, model);
      if (value > best_value) {
        best = &candidate;
        best_value = value;
      }
    }
    return best;
  }

  const PricedProvider* provider_of(std::string_view label, std::string_view model) const {
    const PricedProvider* provider = by_label(label);
    return provider == nullptr && !self_hosted(label) ? by_model(model) : provider;
  }

  // What a service tier multiplies prices by; absent if nobody knows.
  std::optional<double> factor(std::string_view label, std::string_view model,
                               const std::string& tier) const {
    if (tier.empty()) return 1;
    const std::string name = lower(without_path(model.substr(0, kLongestModelName)));
    const PricedProvider* provider = provider_of(label, name);
    return provider == nullptr ? std::nullopt : tier_factor(*provider, tier, name);
  }

  const PricedModel* lookup(std::string_view label, std::string_view model) const {
    const PricedProvider* provider = provider_of(label, model);
    if (provider == nullptr) return nullptr;
    if (const auto* found = model_of(*provider, model)) return found;
    for (const auto& other : provider->fallback) {
      const auto* fallback = by_label(other);
      if (fallback == nullptr) continue;
      if (const auto* found = model_of(*fallback, model)) return found;
    }
    return nullptr;
  }
};

PriceTable::PriceTable(std::unique_ptr<State> state) : state_(std::move(state)) {}
PriceTable::PriceTable(PriceTable&&) noexcept = default;
PriceTable& PriceTable::operator=(PriceTable&&) noexcept = default;
PriceTable::~PriceTable() = default;

const std::string& PriceTable::date() const { return state_->date; }

Result<PriceTable> PriceTable::parse(std::string_view text) {
  try {
    const auto root = nlohmann::json::parse(text);
    auto state = std::make_unique<State>();
    state->date = root.at("date").get<std::string>();
    state->providers = read_providers(root.at("providers"));
    return PriceTable(std::move(state));
  } catch (const std::exception& error) {
    return Error{std::string("price table: ") + error.what()};
  }
}

PriceTable PriceTable::built_in() {
  const std::string_view text(llmtap_prices_begin,
                              static_cast<std::size_t>(llmtap_prices_end - llmtap_prices_begin));
  auto table = parse(text);
  // A test proves that the built-in text is well formed.
  return table ? std::move(table).value() : PriceTable(std::make_unique<State>());
}

void PriceTable::add(std::string provider, std::string model, Price price) {
  state_->overrides.push_back({std::move(provider), lower(model), price});
}

std::optional<Price> PriceTable::find(std::string_view provider, std::string_view model,
                                      TimeNs at_ns, std::uint64_t input_tokens) const {
  const std::string name = lower(without_path(model.substr(0, kLongestModelName)));
  std::optional<Price> price;
  if (const auto* found = state_->lookup(provider, name)) {
    const PriceRow* row = nullptr;
    for (const auto& candidate : found->rows) {
      if (candidate.applies(at_ns)) row = &candidate;
    }
    if (row != nullptr) {
      price = row->price;
      for (const auto& [tokens, tier] : row->above) {
        if (input_tokens > tokens) price = tier;
      }
    }
  }
  for (const auto& over : state_->overrides) {
    const bool prefix = over.model.ends_with('*');
    const bool fits =
        prefix ? name.starts_with(std::string_view(over.model).substr(0, over.model.size() - 1))
               : name == over.model;
    if (fits && (over.provider.empty() || over.provider == provider)) {
      price = merged(price.value_or(Price{}), over.price);
    }
  }
  return price;
}

std::optional<Cost> cost_of(const CallRecord& call, const Price& price, double factor) {
  const Usage& usage = call.usage;
  const auto input = usage.input();
  const auto output = usage.output();
  if (!input && !output) return std::nullopt;
  if (!price.input || !input) return std::nullopt;
  if (has_output_tokens(call.operation) && (!output || !price.output)) return std::nullopt;

  const auto count = [](const std::optional<std::uint64_t>& tokens) {
    return static_cast<double>(tokens.value_or(0));
  };
  const auto cache_write = price.cache_write ? price.cache_write : price.input;
  const auto cache_write_1h = price.cache_write_1h ? price.cache_write_1h : cache_write;
  const double written_1h = count(usage.cache_write_1h);
  double input_usd =
      (count(usage.input_uncached) + count(usage.tool_prompt)) * per_token(price.input) +
      count(usage.cache_read) * per_token(price.cache_read ? price.cache_read : price.input) +
      std::max(count(usage.cache_write) - written_1h, 0.0) * per_token(cache_write) +
      written_1h * per_token(cache_write_1h);
  double output_usd =
      count(usage.output_visible) * per_token(price.output) +
      count(usage.reasoning) * per_token(price.reasoning ? price.reasoning : price.output);
  // Modalities are part of the classes above: only the difference is added.
  const auto modality = [&count](double& usd, const std::optional<std::uint64_t>& tokens,
                                 const std::optional<double>& own,
                                 const std::optional<double>& base) {
    if (own && base) usd += count(tokens) * (per_token(own) - per_token(base));
  };
  modality(input_usd, usage.input_audio, price.input_audio, price.input);
  modality(input_usd, usage.input_image, price.input_image, price.input);
  modality(output_usd, usage.output_audio, price.output_audio, price.output);
  modality(output_usd, usage.output_image, price.output_image, price.output);

  Cost cost;
  cost.input_usd = input_usd * factor;
  if (output) cost.output_usd = output_usd * factor;
  cost.total_usd = (input_usd + output_usd) * factor + price.per_1000_requests.value_or(0) / 1000;
  cost.source = Cost::Source::kTable;
  return cost;
}

void PriceTable::apply(CallRecord& call) const {
  if (call.cost || call.usage.empty()) return;
  const std::uint64_t input = call.usage.input().value_or(0);
  for (const auto* model : {&call.model_served, &call.model_requested}) {
    if (!*model) continue;
    const auto price = find(call.provider, **model, call.timing.request_start, input);
    if (!price) continue;
    const auto factor = state_->factor(call.provider, **model, tier_of(call));
    if (factor) call.cost = cost_of(call, *price, *factor);
    return;
  }
}

}  // namespace llmtap
