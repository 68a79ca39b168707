// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/http1_chunk.h"

namespace llmtap {

namespace {

// A chunk header that was found by searching announces no more than this.
constexpr std::uint64_t kMaxPlausibleChunk = std::uint64_t{64} << 20;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::optional<std::uint64_t> parse_chunk_size(std::string_view line) {
  std::uint64_t size = 0;
  std::size_t i = 0;
  for (; i < line.size(); ++i) {
    const int digit = hex_value(line[i]);
    if (digit < 0) break;
    if (size >> 56) return std::nullopt;
    size = size << 4 | static_cast<std::uint64_t>(digit);
  }
  if (i == 0) return std::nullopt;
  while (i < line.size() && (line[i] == ' ' || line[i] == '\t')) ++i;
  if (i < line.size() && line[i] != ';' && line[i] != '\r') return std::nullopt;
  return size;
}

bool plausible_chunk(std::string_view line, std::string_view rest, bool trusted) {
  if (line.size() < 3 || line[line.size() - 2] != '\r') return false;
  const auto size = parse_chunk_size(line.substr(0, line.size() - 1));
  if (!size || *size > kMaxPlausibleChunk) return false;
  constexpr std::string_view kEnd = "\r\n";
  if (rest.size() <= *size) return trusted;
  const std::string_view end = rest.substr(static_cast<std::size_t>(*size), kEnd.size());
  return kEnd.substr(0, end.size()) == end;
}

bool maybe_chunk_header(std::string_view text) {
  std::size_t digits = 0;
  while (digits < text.size() && hex_value(text[digits]) >= 0) ++digits;
  if (digits == 0 || digits > 8) return false;
  return digits == text.size() || text[digits] == ';' || text[digits] == '\r' || text[digits] == ' ';
}

}  // namespace llmtap
