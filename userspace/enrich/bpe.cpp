// SPDX-License-Identifier: Apache-2.0
#include "userspace/enrich/bpe.h"

#include <bit>
#include <functional>
#include <queue>
#include <tuple>

#include "parsers/core/inflate.h"

// vocabularies_data.cpp
extern "C" {
extern const char llmtap_cl100k_begin[], llmtap_cl100k_end[];
extern const char llmtap_o200k_begin[], llmtap_o200k_end[];
extern const char llmtap_unicode_begin[], llmtap_unicode_end[];
}

namespace llmtap {
namespace {

std::string unpack(const char* begin, const char* end) {
  std::string out;
  const auto inflater = make_inflater(Coding::kZstd);
  inflater->feed({begin, static_cast<std::size_t>(end - begin)},
                 [&](std::string_view piece) { out += piece; });
  return out;
}

std::size_t hash(std::string_view bytes) { return std::hash<std::string_view>{}(bytes); }

}  // namespace

Vocabulary Vocabulary::built_in(Encoding encoding) {
  const std::string unicode = unpack(llmtap_unicode_begin, llmtap_unicode_end);
  if (encoding == Encoding::kCl100kBase) {
    return {WordPattern::kCl100k, unpack(llmtap_cl100k_begin, llmtap_cl100k_end), unicode};
  }
  return {WordPattern::kO200k, unpack(llmtap_o200k_begin, llmtap_o200k_end), unicode};
}

Vocabulary::Vocabulary(WordPattern pattern, std::string tokens, std::string_view unicode)
    : pattern_(pattern), classes_(unicode), tokens_(std::move(tokens)) {
  for (std::size_t at = 0; at < tokens_.size();) {
    const std::size_t next = at + 1 + static_cast<unsigned char>(tokens_[at]);
    if (next > tokens_.size()) break;
    starts_.push_back(static_cast<std::uint32_t>(at));
    at = next;
  }
  slots_.assign(std::bit_ceil(starts_.size() * 2 + 1), kNone);
  for (std::uint32_t i = 0; i < starts_.size(); ++i) {
    std::size_t slot = hash(token(i)) & (slots_.size() - 1);
    while (slots_[slot] != kNone) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = i;
  }
}

std::string_view Vocabulary::token(std::uint32_t rank) const {
  const std::size_t at = starts_[rank];
  return {tokens_.data() + at + 1, static_cast<unsigned char>(tokens_[at])};
}

std::uint32_t Vocabulary::rank(std::string_view bytes) const {
  if (bytes.size() > 255) return kNone;
  std::size_t slot = hash(bytes) & (slots_.size() - 1);
  while (slots_[slot] != kNone && token(slots_[slot]) != bytes) {
    slot = (slot + 1) & (slots_.size() - 1);
  }
  return slots_[slot];
}

// Joins the neighbours of lowest rank until none are a token. A heap instead of a search through
// all neighbours for each step: long runs of one letter are what a hostile text would send.
std::uint64_t Vocabulary::merge(std::string_view piece) const {
  const auto size = static_cast<std::uint32_t>(piece.size());
  std::vector<std::uint32_t> end(size), previous(size);  // of the part that begins here; 0: joined
  using Pair = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>;  // rank, start, end
  std::priority_queue<Pair, std::vector<Pair>, std::greater<>> pairs;
  const auto offer = [&](std::uint32_t start) {
    if (end[start] >= size) return;
    const std::uint32_t stop = end[end[start]];
    const auto found = rank(piece.substr(start, stop - start));
    if (found != kNone) pairs.emplace(found, start, stop);
  };
  for (std::uint32_t i = 0; i < size; ++i) {
    end[i] = i + 1;
    previous[i] = i == 0 ? 0 : i - 1;
  }
  for (std::uint32_t i = 0; i < size; ++i) offer(i);
  std::uint64_t parts = size;
  while (!pairs.empty()) {
    const auto [joined, start, stop] = pairs.top();
    pairs.pop();
    // One of the two has been joined with another since.
    if (end[start] == 0 || end[start] >= size || end[end[start]] != stop) continue;
    const std::uint32_t second = end[start];
    end[start] = stop;
    end[second] = 0;
    if (stop < size) previous[stop] = start;
    --parts;
    offer(start);
    if (start > 0) offer(previous[start]);
  }
  return parts;
}

std::uint64_t Vocabulary::count_piece(std::string_view piece) const {
  if (rank(piece) != kNone) return 1;
  std::uint64_t tokens = 0;
  for (; piece.size() > kMaxPiece; piece.remove_prefix(kMaxPiece)) {
    tokens += merge(piece.substr(0, kMaxPiece));
  }
  return tokens + merge(piece);
}

std::uint64_t Vocabulary::count(std::string_view text) const {
  const std::string_view counted = text.substr(0, kMaxText);
  std::uint64_t tokens = 0;
  split_words(pattern_, classes_, counted,
              [&](std::string_view piece) { tokens += count_piece(piece); });
  if (counted.size() == text.size()) return tokens;
  const double ratio = static_cast<double>(text.size()) / static_cast<double>(counted.size());
  return static_cast<std::uint64_t>(static_cast<double>(tokens) * ratio);
}

}  // namespace llmtap
