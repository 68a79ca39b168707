// SPDX-License-Identifier: Apache-2.0
//
// A mergeable distribution of times: logarithmic buckets on the bounds of OpenTelemetry's
// exponential histograms at scale 5, so a quantile is at most 1.1 % off (the middle of a bucket is
// told, bounds are 2^(1/32) apart). Merging is adding; order never matters.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmtap {

class Sketch {
 public:
  void add(std::uint64_t us) { add(us, 1); }
  void merge(const Sketch& other);
  // Adds what encode() wrote. False: damaged, of which what could be read was added.
  bool merge(std::string_view encoded);

  // Varints: pairs of {difference to the previous bucket, count}.
  std::string encode() const;

  std::uint64_t count() const { return count_; }
  // 0..1; absent without values.
  std::optional<double> quantile(double q) const;

 private:
  void add(std::uint64_t us, std::uint64_t times);

  friend class SketchSum;

  std::map<std::uint32_t, std::uint64_t> buckets_;  // index to count; 0: below 1 us
  std::uint64_t count_ = 0;
};

// Sum of many encoded sketches: a slot per bucket, 16 KB at most, no search.
class SketchSum {
 public:
  bool merge(std::string_view encoded);  // as Sketch::merge
  Sketch sketch() const;

 private:
  std::vector<std::uint64_t> buckets_;
};

}  // namespace llmtap
