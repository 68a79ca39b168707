// SPDX-License-Identifier: Apache-2.0
//
// Raw bytes never have the right CRC, so frames are built out of the input and then damaged.
#include <zlib.h>

#include "tests/fuzz/split.h"

using namespace llmtap;

namespace {

void put32(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift & 0xff));
}

void put_crc(std::string& out, std::size_t from) {
  put32(out, static_cast<std::uint32_t>(crc32_z(
                 0, reinterpret_cast<const Bytef*>(out.data()) + from, out.size() - from)));
}

void frame(std::string_view headers, std::string_view payload, std::string& out) {
  const std::size_t from = out.size();
  put32(out, static_cast<std::uint32_t>(16 + headers.size() + payload.size()));
  put32(out, static_cast<std::uint32_t>(headers.size()));
  put_crc(out, from);
  out.append(headers).append(payload);
  put_crc(out, from);
}

// Sizes and contents from the input: header block (as it is, or as one text header), payload.
std::string build(fuzz::Input& input) {
  std::string body;
  while (!input.rest().empty() && body.size() < 4096) {
    const std::uint8_t shape = input.byte();
    std::string headers;
    const std::string_view raw = input.take(shape & 31);
    if ((shape & 32) != 0) {
      headers = std::string("\x0b:event-type\x07\0", 14) + static_cast<char>(raw.size());
    }
    headers.append(raw);
    const std::string_view payload = input.take(input.byte());
    if ((shape & 64) != 0) body.append(payload);  // junk between frames
    frame(headers, payload, body);
  }
  return body;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t gap = input.byte();
  const std::uint8_t flags = input.byte();
  const std::uint8_t damage_at = input.byte();
  const std::uint8_t damage = input.byte();
  std::string body = build(input);
  if (damage_at < body.size()) body[damage_at] = static_cast<char>(body[damage_at] ^ damage);
  const BodyLimits limits = {.whole = 4096, .event = (flags & 2) != 0 ? 64u : 4096u};
  fuzz::check_body([&] { return make_body_decoder(BodyKind::kAwsEventStream, {}, limits); }, body,
                   gap, (flags & 1) == 0, flags >> 2);
  return 0;
}
