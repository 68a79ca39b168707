// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/llmobs/estimate.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace llmtap::llmobs {
namespace {

// Next code point of (well-formed) UTF-8; a broken byte counts as one.
char32_t next_code_point(std::string_view& text) {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  char32_t value = length == 1 ? first : first & (0xffu >> (length + 1));
  std::size_t used = 1;
  for (; used < length && used < text.size(); ++used) {
    value = (value << 6) | (static_cast<unsigned char>(text[used]) & 0x3f);
  }
  text.remove_prefix(used);
  return value;
}

// Python's \w or an apostrophe: letters, digits, underscore of any script. Beyond ASCII whole
// blocks of punctuation and symbols are left out; what is left are letters.
bool is_word(char32_t c) {
  if (c < 0x80) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '\'';
  }
  if (c < 0xc0) {
    return c == 0xaa || c == 0xb2 || c == 0xb3 || c == 0xb5 || (c >= 0xb9 && c <= 0xba) ||
           (c >= 0xbc && c <= 0xbe);
  }
  if (c == 0xd7 || c == 0xf7) return false;
  struct Block {
    char32_t first, last;
  };
  constexpr Block kSymbols[] = {
      {0x2000, 0x206f}, {0x20a0, 0x214f},   {0x2190, 0x245f},  {0x2500, 0x2bff}, {0x2e00, 0x2e7f},
      {0x3000, 0x3004}, {0x3008, 0x3020},   {0xe000, 0xf8ff},  {0xfe00, 0xfe6f}, {0xff01, 0xff0f},
      {0xff1a, 0xff20}, {0x1f000, 0x1faff}, {0xe0000, 0xe0fff}};
  for (const auto& block : kSymbols) {
    if (c >= block.first && c <= block.last) return false;
  }
  return true;
}

bool is_mark(char32_t c) {
  constexpr std::string_view kMarks = ".,!?;~@#$%^&*()+/-";
  return c < 0x80 && kMarks.find(static_cast<char>(c)) != std::string_view::npos;
}

// A token list stands for its own length.
std::uint64_t estimate_prompt(const std::string& text) {
  if (text.starts_with('[')) {
    const auto list = nlohmann::json::parse(text, nullptr, false);
    if (list.is_array() && !list.empty() && list[0].is_number_integer()) return list.size();
  }
  return estimate_text(text);
}

}  // namespace

std::uint64_t estimate_text(std::string_view text) {
  std::uint64_t length = 0, matches = 0;
  bool in_word = false;
  while (!text.empty()) {
    const char32_t c = next_code_point(text);
    ++length;
    const bool word = is_word(c);
    if ((word && !in_word) || is_mark(c)) ++matches;
    in_word = word;
  }
  const double tokens =
      (1.5 * (static_cast<double>(length) / 4) + 0.5 * (0.75 * static_cast<double>(matches))) / 2;
  return static_cast<std::uint64_t>(std::nearbyint(tokens));
}

std::optional<TokenEstimate> estimate_tokens(const CallRecord& call) {
  if (!call.usage.empty() || !call.streamed || call.output.empty()) return std::nullopt;
  TokenEstimate estimate;
  for (const auto& message : call.input) {
    for (const auto& part : message.parts) {
      // Contents that are lists of parts count nothing there.
      const bool plain = part.kind == PartKind::kText
                             ? part.wire_type.empty()
                             : part.kind == PartKind::kToolResult && part.raw.empty();
      if (plain) {
        estimate.input += call.operation == Operation::kTextCompletion ? estimate_prompt(part.text)
                                                                       : estimate_text(part.text);
      }
    }
  }
  for (const auto& message : call.output) {
    for (const auto& part : message.parts) {
      if (part.kind == PartKind::kText) estimate.output += estimate_text(part.text);
    }
  }
  return estimate;
}

}  // namespace llmtap::llmobs
