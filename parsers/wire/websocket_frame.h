// SPDX-License-Identifier: Apache-2.0
//
// Frame header of a WebSocket (RFC 6455, 5.2):
//
//   FIN 1, RSV1-3, opcode 4 | MASK 1, length 7 | length 16 or 64 | masking key 32 if MASK
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace llmtap {

enum class Opcode : std::uint8_t {
  kContinuation = 0x0,
  kText = 0x1,
  kBinary = 0x2,
  kClose = 0x8,
  kPing = 0x9,
  kPong = 0xa,
};

struct WebSocketHeader {
  static constexpr std::size_t kMaxSize = 14;

  bool fin = false;
  bool compressed = false;  // RSV1 (RFC 7692, 6)
  Opcode opcode = Opcode::kText;
  bool masked = false;
  std::array<std::uint8_t, 4> key{};
  std::uint64_t length = 0;
  std::size_t size = 0;  // of the header itself

  bool is_control() const { return (static_cast<std::uint8_t>(opcode) & 0x8) != 0; }
};

enum class HeaderParse : std::uint8_t { kNeedMore, kBad, kOk };

// Refuses, as soon as two bytes are there, whatever 5.2 and 5.5 forbid for every frame: RSV2 and
// RSV3, unknown opcodes, long or fragmented control frames, lengths that are not minimal.
HeaderParse parse_websocket_header(std::string_view bytes, WebSocketHeader& header);

// Appends `bytes` to `out` without their mask (5.3). `offset`: of `bytes` in the payload.
void append_unmasked(std::string_view bytes, const std::array<std::uint8_t, 4>& key,
                     std::uint64_t offset, std::string& out);

}  // namespace llmtap
