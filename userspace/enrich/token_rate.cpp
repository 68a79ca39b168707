// SPDX-License-Identifier: Apache-2.0
#include "userspace/enrich/token_rate.h"

#include <algorithm>

namespace llmtap {
namespace {

constexpr double kFade = 0.95;       // weight of all earlier calls when one more is learned
constexpr double kSlopePrior = 0.3;  // how many calls "slope 1" is worth
constexpr double kOffsetPrior = 1.0 / (500.0 * 500.0);  // offsets beyond some hundreds need proof
constexpr double kFewest = 8;  // shorter texts weigh no more than one of so many tokens

enum class Run { kNone, kLetters, kDigits, kWide };

}  // namespace

double rough_tokens(std::string_view text) {
  constexpr double kLetter = 1.0 / 6, kDigit = 1.0 / 3, kWordStart = 0.75;
  double sum = 0;
  Run run = Run::kNone;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') {
      sum += run == Run::kLetters ? kLetter : kWordStart;
      run = Run::kLetters;
    } else if (byte >= '0' && byte <= '9') {
      sum += run == Run::kDigits ? kDigit : kWordStart;
      run = Run::kDigits;
    } else if (byte >= 0x80) {
      if (byte >= 0xc0) sum += byte >= 0xe0 ? 0.9 : 0.5;  // a character's first byte
      run = Run::kWide;
    } else {
      if (byte == '\n') sum += 0.5;
      if (byte > ' ') sum += 0.6;
      run = Run::kNone;
    }
  }
  return sum;
}

void TokenRate::learn(double units, double tokens) {
  const double size = std::max({tokens, kFewest});
  const double weight = 1 / (size * size);
  for (double* sum : {&weight_, &x_, &y_, &xx_, &xy_}) *sum *= kFade;
  weight_ += weight;
  x_ += weight * units;
  y_ += weight * tokens;
  xx_ += weight * units * units;
  xy_ += weight * units * tokens;
}

double TokenRate::estimate(double units) const {
  // Normal equations of sum w (slope x + offset - y)^2 + priors for slope 1 and offset 0.
  const double a = xx_ + kSlopePrior, b = x_, c = weight_ + kOffsetPrior;
  const double right_a = xy_ + kSlopePrior, right_b = y_;
  const double determinant = a * c - b * b;
  if (determinant <= 0) return units;
  const double slope = std::clamp((right_a * c - right_b * b) / determinant, 0.2, 5.0);
  const double offset = (right_b - slope * b) / c;
  return std::max(slope * units + offset, 0.2 * units);
}

}  // namespace llmtap
