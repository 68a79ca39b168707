// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/client_hello.h"

#include <cstddef>
#include <cstdint>

namespace llmtap {
namespace {

constexpr std::uint8_t kHandshake = 22, kClientHello = 1, kHostName = 0;
constexpr std::uint16_t kServerName = 0;

// Reads big-endian numbers and blocks; bad once and for all at the end of the bytes.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  std::size_t number(std::size_t width) {
    std::size_t value = 0;
    for (const char c : block(width)) value = value << 8 | static_cast<unsigned char>(c);
    return value;
  }
  std::string_view block(std::size_t size) {
    if (size > bytes_.size()) {
      good_ = false;
      bytes_ = {};
      return {};
    }
    const auto taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }
  bool good() const { return good_; }
  bool more() const { return good_ && !bytes_.empty(); }

 private:
  std::string_view bytes_;
  bool good_ = true;
};

std::optional<std::string> host_of(std::string_view extension) {
  Reader list(extension);
  list.number(2);
  const bool is_host = list.number(1) == kHostName;
  const auto name = list.block(list.number(2));
  if (!list.good() || !is_host || name.empty()) return std::nullopt;
  std::string host;
  for (const char c : name) {
    if (c <= ' ' || c > '~') return std::nullopt;
    host += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return host;
}

}  // namespace

std::optional<std::string> server_name(std::string_view record) {
  Reader reader(record);
  if (reader.number(1) != kHandshake) return std::nullopt;
  reader.block(2 + 2);  // version, length: what is at hand counts
  if (reader.number(1) != kClientHello) return std::nullopt;
  reader.block(3 + 2 + 32);        // length, version, random
  reader.block(reader.number(1));  // session
  reader.block(reader.number(2));  // cipher suites
  reader.block(reader.number(1));  // compression
  reader.number(2);                // length of all extensions
  while (reader.more()) {
    const auto type = reader.number(2);
    const auto extension = reader.block(reader.number(2));
    if (reader.good() && type == kServerName) return host_of(extension);
  }
  return std::nullopt;
}

}  // namespace llmtap
