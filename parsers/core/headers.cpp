// SPDX-License-Identifier: Apache-2.0
#include "parsers/core/headers.h"

#include <algorithm>
#include <array>
#include <limits>

namespace llmtap {
namespace {

constexpr std::size_t kMaxText = std::numeric_limits<std::uint32_t>::max();  // of a name or value

// Without a branch: the letters of a name are hard to foretell.
constexpr std::array<char, 256> kLower = [] {
  std::array<char, 256> table{};
  for (std::size_t c = 0; c < table.size(); ++c) {
    table[c] = static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
  }
  return table;
}();

}  // namespace

void Headers::add(std::string_view name, std::string_view value) {
  name = name.substr(0, kMaxText);
  value = value.substr(0, kMaxText);
  const std::uint32_t sizes[2] = {static_cast<std::uint32_t>(name.size()),
                                  static_cast<std::uint32_t>(value.size())};
  static_assert(sizeof sizes == kPrefix);
  const std::size_t before = text_.size();
  text_.append(reinterpret_cast<const char*>(sizes), sizeof sizes).append(name).append(value);
  char* const stored = text_.data() + before + kPrefix;
  std::transform(stored, stored + name.size(), stored,
                 [](char c) { return kLower[static_cast<unsigned char>(c)]; });
}

std::size_t Headers::size() const {
  return static_cast<std::size_t>(std::distance(begin(), end()));
}

std::optional<std::string_view> find_header(const Headers& headers, std::string_view name) {
  for (const Header header : headers) {
    if (header.name == name) return header.value;
  }
  return std::nullopt;
}

}  // namespace llmtap
