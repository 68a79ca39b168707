// SPDX-License-Identifier: Apache-2.0
//
// How many tokens a model makes of a text, learned from calls that say so: tokens = slope * units +
// offset, where units are a cheap guess at tokens and the offset is what a vendor adds to each call
// (templates, the prompt that explains tools). Least squares of the relative error; old calls fade.
#pragma once

#include <string_view>

namespace llmtap {

// About as many as a common tokenizer would give, in one pass: letters by six, digits by three,
// marks one by one, other scripts by the character.
double rough_tokens(std::string_view text);

class TokenRate {
 public:
  void learn(double units, double tokens);
  double estimate(double units) const;  // never negative; `units` itself until something is learned
  bool learned() const { return weight_ > 0; }

 private:
  double weight_ = 0, x_ = 0, y_ = 0, xx_ = 0, xy_ = 0;  // weighted sums
};

}  // namespace llmtap
