// SPDX-License-Identifier: Apache-2.0
#include "userspace/store/search_text.h"

#include <algorithm>
#include <cstdint>

namespace llmtap {
namespace {

struct Symbol {
  std::uint32_t code = 0;  // 0: invalid
  std::size_t length = 1;
};

Symbol decode(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i]));
  };
  const std::uint32_t first = byte(at);
  if (first < 0x80) return {first, 1};
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (length == 0 || at + length > text.size()) return {};
  std::uint32_t code = first & (0xffU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(at + i) & 0x3f);
  }
  return {code, length};
}

// Scripts that are written without spaces between words.
bool spaceless(std::uint32_t c) {
  return (c >= 0x3040 && c <= 0x30ff) || (c >= 0x3400 && c <= 0x4dbf) ||
         (c >= 0x4e00 && c <= 0x9fff) || (c >= 0xac00 && c <= 0xd7af) ||
         (c >= 0x0e00 && c <= 0x0eff) || (c >= 0xf900 && c <= 0xfaff) ||
         (c >= 0x20000 && c <= 0x3ffff) || c == 0x3005 || c == 0x3006;
}

bool word(std::uint32_t c) {
  if (c < 0x80)
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  if (c < 0xc0 || c == 0xd7 || c == 0xf7) return c == 0xaa || c == 0xb5 || c == 0xba;
  if (c >= 0x2000 && c <= 0x2bff) return false;  // punctuation, symbols, arrows, boxes
  if (c >= 0x3000 && c <= 0x303f) return c == 0x3005 || c == 0x3006;
  if (c >= 0xfe00 && c <= 0xfe0f) return false;
  // Full-width digits and letters are folded before this is asked; the rest of the block is signs.
  if (c >= 0xff00 && c <= 0xff0f) return false;
  return c < 0x1f000 || c > 0x1faff;  // emoji separate
}

// Full-width forms to ASCII, ASCII to lower case. Other case folding is the tokenizer's.
std::uint32_t fold(std::uint32_t c) {
  if (c >= 0xff01 && c <= 0xff5e) c -= 0xfee0;
  return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

void append(std::string& out, std::uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

enum class Run : std::uint8_t { kNone, kWord, kSpaceless };

}  // namespace

std::string search_terms(std::string_view text, std::size_t bytes) {
  std::string out;
  out.reserve(std::min(text.size(), bytes) * 2);
  Run run = Run::kNone;
  std::uint32_t previous = 0;  // in a spaceless run
  bool lone = false;           // `previous` has not been part of a pair yet
  const auto end_run = [&] {
    if (run == Run::kSpaceless && lone) append(out, previous);
    if (run != Run::kNone && !out.empty() && out.back() != ' ') out += ' ';
    run = Run::kNone;
  };
  for (std::size_t at = 0; at < text.size() && at < bytes;) {
    const Symbol symbol = decode(text, at);
    at += symbol.length;
    const std::uint32_t c = fold(symbol.code);
    if (c == 0 || !(word(c) || spaceless(c))) {
      end_run();
    } else if (spaceless(c)) {
      if (run == Run::kSpaceless) {
        append(out, previous);
        append(out, c);
        out += ' ';
        lone = false;
      } else {
        end_run();
        run = Run::kSpaceless;
        lone = true;
      }
      previous = c;
    } else {
      if (run == Run::kSpaceless) end_run();
      run = Run::kWord;
      append(out, c);
    }
  }
  end_run();
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

std::string search_phrase(std::string_view text) {
  constexpr std::size_t kLongest = 4096;
  const std::string terms = search_terms(text, kLongest);
  if (terms.empty()) return {};
  // A lone spaceless character is a term of its own only where it stood alone: look for the pairs
  // that begin with it.
  const Symbol first = decode(terms, 0);
  const bool single = first.length == terms.size() && spaceless(first.code);
  return '"' + terms + '"' + (single ? "*" : "");
}

}  // namespace llmtap
