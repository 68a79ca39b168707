// SPDX-License-Identifier: Apache-2.0
//
// Usage → cost, from a dated table (config/prices.json, built in) and the user's own prices.
// Unknown model or unknown tokens: no cost, never zero. A cost that the provider reported stays.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "parsers/core/call_record.h"
#include "parsers/core/result.h"

namespace llmtap {

// USD per million tokens. An absent class is charged like the class that contains it.
struct Price {
  std::optional<double> input{}, output{}, cache_read{}, cache_write{}, cache_write_1h{};
  std::optional<double> reasoning{};
  std::optional<double> input_audio{}, output_audio{}, input_image{}, output_image{};
  std::optional<double> per_1000_requests{};

  bool operator==(const Price&) const = default;
};

class PriceTable {
 public:
  // `json`: the text of config/prices.json.
  static Result<PriceTable> parse(std::string_view json);
  static PriceTable built_in();

  PriceTable(PriceTable&&) noexcept;
  PriceTable& operator=(PriceTable&&) noexcept;
  ~PriceTable();

  // A price of the user, asked before the table. `provider` empty: any; `model`: exact, or a prefix
  // with a trailing '*'. Classes that `price` leaves open come from the table.
  void add(std::string provider, std::string model, Price price);

  // What `model` of `provider` (llmtap's vendor label) costs at that time and input size.
  std::optional<Price> find(std::string_view provider, std::string_view model, TimeNs at_ns,
                            std::uint64_t input_tokens) const;

  // Sets call.cost if it can be known and the provider has not said it.
  void apply(CallRecord& call) const;

  const std::string& date() const;

 private:
  struct State;
  explicit PriceTable(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The arithmetic alone; `factor`: of the service tier.
std::optional<Cost> cost_of(const CallRecord& call, const Price& price, double factor = 1);

}  // namespace llmtap
