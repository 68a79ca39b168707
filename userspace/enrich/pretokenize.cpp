// SPDX-License-Identifier: Apache-2.0
#include "userspace/enrich/pretokenize.h"

#include <algorithm>

namespace llmtap {
namespace {

constexpr char32_t kLow = 0x10000;
constexpr char32_t kBroken = 0x110000;

// Code point at `at`, and its length in bytes.
char32_t decode(std::string_view text, std::size_t at, std::size_t& length) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char first = byte(0);
  length = 1;
  if (first < 0x80) return first;
  const std::size_t want = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + want > text.size()) return kBroken;
  char32_t code = first & (0xffu >> (want + 1));
  for (std::size_t i = 1; i < want; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return kBroken;
    code = (code << 6) | (byte(i) & 0x3fu);
  }
  length = want;
  return code;
}

// The text as classes, one an element; elements are code points.
class Words {
 public:
  Words(WordPattern pattern, const UnicodeClasses& classes, std::string_view text)
      : pattern_(pattern), text_(text) {
    starts_.reserve(text.size() + 1);
    letters_.reserve(text.size());
    for (std::size_t at = 0, length = 0; at < text.size(); at += length) {
      const char32_t code = decode(text, at, length);
      starts_.push_back(static_cast<std::uint32_t>(at));
      letters_.push_back(classes.of(code));
    }
    starts_.push_back(static_cast<std::uint32_t>(text.size()));
  }

  std::size_t size() const { return letters_.size(); }
  std::string_view piece(std::size_t from, std::size_t to) const {
    return text_.substr(starts_[from], starts_[to] - starts_[from]);
  }

  // End of the piece that begins at `i`: the alternatives of the pattern in their order.
  std::size_t next(std::size_t i) const {
    std::size_t end = i;
    if (pattern_ == WordPattern::kCl100k) {
      if (const auto length = contraction(i); length > 0) return i + length;
      end = plain_word(i);
    } else {
      end = cased_word(i);
    }
    if (end > i) return end;
    if (is(i, Letter::kNumber))
      return run(i, i + 3, [&](auto at) { return is(at, Letter::kNumber); });
    if (end = marks(i); end > i) return end;
    return spaces(i);
  }

 private:
  bool is(std::size_t i, Letter letter) const { return letters_[i] == letter; }
  bool letter(std::size_t i) const {
    return is(i, Letter::kUpper) || is(i, Letter::kLower) || is(i, Letter::kCaseless);
  }
  bool upper(std::size_t i) const {
    return is(i, Letter::kUpper) || is(i, Letter::kCaseless) || is(i, Letter::kMark);
  }
  bool lower(std::size_t i) const {
    return is(i, Letter::kLower) || is(i, Letter::kCaseless) || is(i, Letter::kMark);
  }
  char ascii(std::size_t i) const { return i < size() ? text_[starts_[i]] : '\0'; }
  bool line_end(std::size_t i) const { return ascii(i) == '\r' || ascii(i) == '\n'; }
  // [^\r\n\p{L}\p{N}]
  bool may_lead(std::size_t i) const {
    return !line_end(i) && !letter(i) && !is(i, Letter::kNumber);
  }

  template <typename Test>
  std::size_t run(std::size_t from, std::size_t limit, Test test) const {
    limit = std::min(limit, size());
    while (from < limit && test(from)) ++from;
    return from;
  }

  std::size_t contraction(std::size_t i) const {
    if (ascii(i) != '\'') return 0;
    const char a = static_cast<char>(ascii(i + 1) | 0x20);
    const char b = static_cast<char>(ascii(i + 2) | 0x20);
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    const bool two = (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l');
    return two ? 3 : 0;
  }

  std::size_t plain_word(std::size_t i) const {
    const std::size_t from = letter(i) ? i : i + 1;
    if (from > i && !may_lead(i)) return i;
    const std::size_t end = run(from, size(), [&](auto at) { return letter(at); });
    return end > from ? end : i;
  }

  // [upper]*[lower]+, giving back capitals where no small letter follows; 0 if there is none.
  std::size_t small_end(std::size_t from) const {
    const std::size_t capitals = run(from, size(), [&](auto at) { return upper(at); });
    const std::size_t end = run(capitals, size(), [&](auto at) { return lower(at); });
    if (end > capitals) return end;
    for (std::size_t at = capitals; at > from; --at) {
      if (lower(at - 1)) return at;
    }
    return 0;
  }

  std::size_t capital_end(std::size_t from) const {
    const std::size_t end = run(from, size(), [&](auto at) { return upper(at); });
    return end > from ? run(end, size(), [&](auto at) { return lower(at); }) : 0;
  }

  std::size_t cased_word(std::size_t i) const {
    std::size_t end = 0;
    const bool lead = may_lead(i);
    if (lead) end = small_end(i + 1);
    if (end == 0) end = small_end(i);
    if (end == 0 && lead) end = capital_end(i + 1);
    if (end == 0) end = capital_end(i);
    return end == 0 ? i : end + contraction(end);
  }

  std::size_t marks(std::size_t i) const {
    const auto mark = [&](auto at) {
      return !letter(at) && !is(at, Letter::kNumber) && !is(at, Letter::kSpace);
    };
    const std::size_t from = ascii(i) == ' ' ? i + 1 : i;
    const std::size_t end = run(from, size(), mark);
    if (end == from) return i;
    return run(end, size(), [&](auto at) {
      return line_end(at) || (pattern_ == WordPattern::kO200k && ascii(at) == '/');
    });
  }

  // Through the last line end; else all but the space that leads the next word.
  std::size_t spaces(std::size_t i) const {
    const std::size_t end = run(i, size(), [&](auto at) { return is(at, Letter::kSpace); });
    for (std::size_t at = end; at > i; --at) {
      if (line_end(at - 1)) return at;
    }
    return end < size() && end > i + 1 ? end - 1 : std::max(end, i + 1);
  }

  WordPattern pattern_;
  std::string_view text_;
  std::vector<std::uint32_t> starts_;
  std::vector<Letter> letters_;
};

}  // namespace

UnicodeClasses::UnicodeClasses(std::string_view runs) : low_(kLow, 0) {
  char32_t code = 0;
  for (std::size_t at = 0; at + 4 <= runs.size(); at += 4) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(runs[at + i]); };
    const char32_t length = byte(1) | byte(2) << 8 | byte(3) << 16;
    if (byte(0) > static_cast<unsigned char>(Letter::kSpace) || length > kBroken - code) break;
    for (char32_t i = code; i < std::min<char32_t>(code + length, kLow); ++i) low_[i] = byte(0);
    code += length;
    if (code > kLow) high_.emplace_back(code, static_cast<Letter>(byte(0)));
  }
}

Letter UnicodeClasses::of(char32_t code) const {
  if (code < kLow) return static_cast<Letter>(low_[code]);
  const auto found = std::upper_bound(high_.begin(), high_.end(), code,
                                      [](char32_t c, const auto& run) { return c < run.first; });
  return found == high_.end() ? Letter::kOther : found->second;
}

void split_words(WordPattern pattern, const UnicodeClasses& classes, std::string_view text,
                 const std::function<void(std::string_view)>& piece) {
  const Words words(pattern, classes, text);
  for (std::size_t at = 0; at < words.size();) {
    const std::size_t end = words.next(at);
    piece(words.piece(at, end));
    at = end;
  }
}

}  // namespace llmtap
