// SPDX-License-Identifier: Apache-2.0
//
// Bounds the label values under which calls are counted: models and services are whatever processes
// say, and a monitoring system pays for each combination for ever. What exceeds a limit is counted
// under "other", and that it did is counted as well. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

namespace llmtap {

// Longest value of a label that is text off the wire.
inline constexpr std::size_t kLabelBytes = 128;

// `text` as the value of a label: valid UTF-8 without controls, cut to kLabelBytes.
std::string label_text(std::string_view text);

struct LabelSet {
  std::string provider;
  std::string model;  // empty: the call names none
  std::string service;

  auto operator<=>(const LabelSet&) const = default;
};

class LabelSets {
 public:
  static constexpr std::string_view kOther = "other";
  static constexpr std::size_t kProviders = 64;
  static constexpr std::size_t kModels = 256;
  static constexpr std::size_t kServices = 256;

  // `most` combinations; beyond it at most one more per provider.
  explicit LabelSets(std::size_t most) : most_(most) {}

  // Under what to count a call: valid UTF-8, within the limits.
  LabelSet admit(LabelSet wanted);

  // Calls of which a label, or the combination, became "other".
  enum class Limit : std::uint8_t { kProvider, kModel, kService, kSet, kCount };
  std::uint64_t overflows(Limit limit) const { return overflows_[static_cast<std::size_t>(limit)]; }

 private:
  void bound(std::string& value, std::set<std::string>& known, std::size_t most, Limit limit);

  const std::size_t most_;
  std::set<std::string> providers_, models_, services_;
  std::set<LabelSet> sets_;
  std::array<std::uint64_t, static_cast<std::size_t>(Limit::kCount)> overflows_{};
};

constexpr std::string_view name(LabelSets::Limit limit) {
  constexpr std::array<std::string_view, 4> kNames = {"provider", "model", "service", "set"};
  return kNames[static_cast<std::size_t>(limit)];
}

}  // namespace llmtap
