// SPDX-License-Identifier: Apache-2.0
#include "userspace/store/sketch.h"

#include <algorithm>
#include <cmath>

namespace llmtap {
namespace {

constexpr double kBucketsPerDoubling = 32;  // 2^scale
constexpr std::uint32_t kMostBuckets = 64 * 32 + 1;

void put(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

bool take(std::string_view& in, std::uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && !in.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

// False: damaged; what came before was visited.
template <class Visit>
bool each_bucket(std::string_view encoded, Visit visit) {
  std::uint64_t index = 0;
  while (!encoded.empty()) {
    std::uint64_t step = 0;
    std::uint64_t times = 0;
    if (!take(encoded, step) || !take(encoded, times)) return false;
    index += step;
    if (step > kMostBuckets || index > kMostBuckets) return false;
    visit(static_cast<std::uint32_t>(index), times);
  }
  return true;
}

}  // namespace

void Sketch::add(std::uint64_t us, std::uint64_t times) {
  // Bucket i holds (2^((i-1)/32), 2^(i/32)].
  const auto index = us == 0 ? 0
                             : static_cast<std::uint32_t>(std::ceil(
                                   std::log2(static_cast<double>(us)) * kBucketsPerDoubling)) +
                                   1;
  buckets_[index] += times;
  count_ += times;
}

void Sketch::merge(const Sketch& other) {
  for (const auto& [index, times] : other.buckets_) buckets_[index] += times;
  count_ += other.count_;
}

bool Sketch::merge(std::string_view encoded) {
  return each_bucket(encoded, [this](std::uint32_t index, std::uint64_t times) {
    buckets_[index] += times;
    count_ += times;
  });
}

bool SketchSum::merge(std::string_view encoded) {
  return each_bucket(encoded, [this](std::uint32_t index, std::uint64_t times) {
    if (index >= buckets_.size()) buckets_.resize(index + 1);
    buckets_[index] += times;
  });
}

Sketch SketchSum::sketch() const {
  Sketch out;
  for (std::uint32_t i = 0; i < buckets_.size(); ++i) {
    if (buckets_[i] == 0) continue;
    out.buckets_.emplace_hint(out.buckets_.end(), i, buckets_[i]);
    out.count_ += buckets_[i];
  }
  return out;
}

std::string Sketch::encode() const {
  std::string out;
  std::uint32_t previous = 0;
  for (const auto& [index, times] : buckets_) {
    put(out, index - previous);
    put(out, times);
    previous = index;
  }
  return out;
}

std::optional<double> Sketch::quantile(double q) const {
  if (count_ == 0) return std::nullopt;
  const auto rank =
      static_cast<std::uint64_t>(std::clamp(q, 0.0, 1.0) * static_cast<double>(count_ - 1));
  std::uint64_t seen = 0;
  for (const auto& [index, times] : buckets_) {
    seen += times;
    if (seen <= rank) continue;
    if (index == 0) return 0;
    return std::exp2((static_cast<double>(index) - 1.5) / kBucketsPerDoubling);
  }
  return std::nullopt;
}

}  // namespace llmtap
