// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace llmtap {

// Hash of a byte sequence, the same however it is cut. Not for adversaries: who forges a collision
// hides his own call only.
class StreamHash {
 public:
  void add(std::string_view bytes);
  std::uint64_t value() const;

 private:
  void mix(std::uint64_t word);

  std::uint64_t state_ = 0x9e3779b97f4a7c15ULL;
  std::uint64_t pending_ = 0;  // up to 7 bytes that do not fill a word yet
  std::uint64_t length_ = 0;
};

}  // namespace llmtap
