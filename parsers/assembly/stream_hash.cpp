// SPDX-License-Identifier: Apache-2.0
#include "parsers/assembly/stream_hash.h"

#include <cstring>
#include <utility>

namespace llmtap {

void StreamHash::mix(std::uint64_t word) {
  state_ = (state_ ^ word) * 0xd6e8feb86659fd93ULL;
  state_ ^= state_ >> 32;
}

void StreamHash::add(std::string_view bytes) {
  const auto append = [this](char c) {
    const unsigned shift = static_cast<unsigned>(length_++ % 8) * 8;
    pending_ |= std::uint64_t{static_cast<unsigned char>(c)} << shift;
    if (shift == 56) mix(std::exchange(pending_, 0));
  };
  while (!bytes.empty() && length_ % 8 != 0) {
    append(bytes.front());
    bytes.remove_prefix(1);
  }
  for (; bytes.size() >= 8; bytes.remove_prefix(8), length_ += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), 8);
    mix(word);
  }
  for (const char c : bytes) append(c);
}

std::uint64_t StreamHash::value() const {
  StreamHash last = *this;
  last.mix(pending_);
  last.mix(length_);
  return last.state_;
}

}  // namespace llmtap
