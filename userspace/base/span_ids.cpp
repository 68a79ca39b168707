// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/span_ids.h"

namespace llmtap {
namespace {

// 64-bit FNV-1a with a final mix: no secrecy needed, only spread.
class Hash {
 public:
  void add(std::string_view bytes) {
    for (const char c : bytes) state_ = (state_ ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  void add(std::uint64_t value) {
    add(std::string_view(reinterpret_cast<const char*>(&value), sizeof value));
  }
  std::uint64_t value() const {
    std::uint64_t h = state_;
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdULL;
    h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53ULL;
    h ^= h >> 33;
    return h == 0 ? 1 : h;
  }

 private:
  std::uint64_t state_ = 0xcbf29ce484222325ULL;
};

}  // namespace

std::uint64_t derived_id(const CallRecord& call, std::string_view purpose) {
  Hash hash;
  hash.add(purpose);
  hash.add(call.id);
  hash.add(call.conn.tgid);
  hash.add(call.conn.conn);
  hash.add(call.conn.generation);
  hash.add(call.timing.request_start);
  return hash.value();
}

// Like a Datadog 128-bit id: 32 bits of unix seconds, 32 zero bits, 64 random bits.
std::string derived_trace_id(const CallRecord& call) {
  const std::uint64_t seconds = call.timing.request_start / 1'000'000'000;
  return hex_id(seconds << 32) + hex_id(derived_id(call, "trace"));
}

std::string hex_id(std::uint64_t value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out(16, '0');
  for (std::size_t i = 16; i-- > 0; value >>= 4) out[i] = kDigits[value & 0xf];
  return out;
}

}  // namespace llmtap
