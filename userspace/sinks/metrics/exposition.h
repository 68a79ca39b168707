// SPDX-License-Identifier: Apache-2.0
//
// Writes the Prometheus text format, version 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/). Pure.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace llmtap {

inline constexpr const char* kExpositionType = "text/plain; version=0.0.4; charset=utf-8";

struct Label {
  std::string_view name;
  std::string_view value;  // any text; escaped here
};
using Labels = std::vector<Label>;

// Counts observations by upper edges.
class Histogram {
 public:
  // `edges` ascend, in the unit of the metric, and outlive this.
  explicit Histogram(std::span<const double> edges) : edges_(edges), counts_(edges.size() + 1) {}

  void observe(double value);

  std::span<const double> edges() const { return edges_; }
  // One per edge and one for what is above the last; not cumulative.
  const std::vector<std::uint64_t>& counts() const { return counts_; }
  double sum() const { return sum_; }

 private:
  std::span<const double> edges_;
  std::vector<std::uint64_t> counts_;
  double sum_ = 0;
};

// Samples belong to the family begun last; each family is begun once.
class Exposition {
 public:
  // `type`: counter, gauge or histogram.
  void family(std::string_view name, std::string_view type, std::string_view help);
  void sample(const Labels& labels, double value) { sample("", labels, value); }
  void histogram(const Labels& labels, const Histogram& histogram);

  // A family of one sample without labels.
  void counter(std::string_view name, std::string_view help, double value);
  void gauge(std::string_view name, std::string_view help, double value);

  const std::string& text() const { return text_; }

 private:
  void sample(std::string_view suffix, const Labels& labels, double value);

  std::string family_;
  std::string text_;
};

}  // namespace llmtap
