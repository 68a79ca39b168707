// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/websocket_frame.h"

#include <cstring>

namespace llmtap {
namespace {

bool is_known(std::uint8_t opcode) { return opcode <= 0x2 || (opcode >= 0x8 && opcode <= 0xa); }

}  // namespace

HeaderParse parse_websocket_header(std::string_view bytes, WebSocketHeader& header) {
  const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
  if (bytes.size() < 2) return HeaderParse::kNeedMore;
  if ((at(0) & 0x30) != 0 || !is_known(at(0) & 0xf)) return HeaderParse::kBad;
  header.fin = (at(0) & 0x80) != 0;
  header.compressed = (at(0) & 0x40) != 0;
  header.opcode = static_cast<Opcode>(at(0) & 0xf);
  header.masked = (at(1) & 0x80) != 0;
  header.length = at(1) & 0x7f;
  if (header.is_control() && (!header.fin || header.compressed || header.length > 125)) {
    return HeaderParse::kBad;
  }
  const std::size_t extended = header.length == 126 ? 2 : header.length == 127 ? 8 : 0;
  header.size = 2 + extended + (header.masked ? 4 : 0);
  if (bytes.size() < header.size) return HeaderParse::kNeedMore;
  if (extended != 0) {
    header.length = 0;
    for (std::size_t i = 0; i < extended; ++i) header.length = header.length << 8 | at(2 + i);
    const std::uint64_t least = extended == 2 ? 126 : 65536;
    if (header.length < least || header.length >> 63 != 0) return HeaderParse::kBad;
  }
  for (std::size_t i = 0; header.masked && i < 4; ++i) header.key[i] = at(2 + extended + i);
  return HeaderParse::kOk;
}

void append_unmasked(std::string_view bytes, const std::array<std::uint8_t, 4>& key,
                     std::uint64_t offset, std::string& out) {
  std::array<char, 8> turned{};
  for (std::size_t i = 0; i < turned.size(); ++i) {
    turned[i] = static_cast<char>(key[(offset + i) % key.size()]);
  }
  std::uint64_t mask = 0;
  std::memcpy(&mask, turned.data(), sizeof mask);
  const std::size_t before = out.size();
  out.append(bytes);
  char* at = out.data() + before;
  std::size_t left = bytes.size();
  for (; left >= sizeof mask; left -= sizeof mask, at += sizeof mask) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    word ^= mask;
    std::memcpy(at, &word, sizeof word);
  }
  for (std::size_t i = 0; i < left; ++i) at[i] = static_cast<char>(at[i] ^ turned[i]);
}

}  // namespace llmtap
