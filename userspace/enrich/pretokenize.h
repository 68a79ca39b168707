// SPDX-License-Identifier: Apache-2.0
//
// The first half of OpenAI's tokenizers: text → pieces that are tokenized alone. The two patterns
// of tiktoken (https://github.com/openai/tiktoken), written out by hand: one pass, linear time.
//
//   cl100k  (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}
//           | ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//   o200k   words end before a capital ("getName": get, Name) and keep their 's; marks are letters;
//           punctuation takes a following '/' too
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace llmtap {

enum class Letter : std::uint8_t { kOther, kUpper, kLower, kCaseless, kMark, kNumber, kSpace };

class UnicodeClasses {
 public:
  // `runs`: config/vocabularies/unicode.zst unpacked; empty or broken: all of it is kOther.
  explicit UnicodeClasses(std::string_view runs);
  Letter of(char32_t code) const;

 private:
  std::vector<std::uint8_t> low_;                  // below 0x10000
  std::vector<std::pair<char32_t, Letter>> high_;  // ends (exclusive), ascending
};

enum class WordPattern : std::uint8_t { kCl100k, kO200k };

// Each piece once, in order, none empty; together they are `text`. Bytes that are no UTF-8 are
// kOther, one by one. `text` is shorter than 4 GiB.
void split_words(WordPattern pattern, const UnicodeClasses& classes, std::string_view text,
                 const std::function<void(std::string_view)>& piece);

}  // namespace llmtap
