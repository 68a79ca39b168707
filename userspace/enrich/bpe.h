// SPDX-License-Identifier: Apache-2.0
//
// Byte pair encoding with OpenAI's own vocabularies (config/vocabularies, built in): how many
// tokens a text has. Bounded: a piece of n bytes costs O(n log n) with n at most kMaxPiece, a text
// at most kMaxText bytes; what is longer is counted in proportion.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/enrich/pretokenize.h"

namespace llmtap {

enum class Encoding : std::uint8_t { kCl100kBase, kO200kBase };

class Vocabulary {
 public:
  static constexpr std::size_t kMaxPiece = 4096;
  static constexpr std::size_t kMaxText = std::size_t{256} << 10;

  // Unpacks the built-in data: about 5 MB and some ten milliseconds.
  static Vocabulary built_in(Encoding encoding);

  std::uint64_t count(std::string_view text) const;
  std::size_t size() const { return starts_.size(); }

 private:
  Vocabulary(WordPattern pattern, std::string tokens, std::string_view unicode);
  static constexpr std::uint32_t kNone = UINT32_MAX;
  // Rank of a token, kNone if the bytes are none.
  std::uint32_t rank(std::string_view bytes) const;
  std::uint64_t count_piece(std::string_view piece) const;
  std::uint64_t merge(std::string_view piece) const;
  std::string_view token(std::uint32_t rank) const;

  WordPattern pattern_;
  UnicodeClasses classes_;
  std::string tokens_;                 // length byte and bytes, by rank
  std::vector<std::uint32_t> starts_;  // of each rank in tokens_
  std::vector<std::uint32_t> slots_;   // open addressing; a power of two
};

}  // namespace llmtap
