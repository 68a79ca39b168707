// SPDX-License-Identifier: Apache-2.0
//
// Header blocks, each behind a 16-bit length, through our decoder and libnghttp2's. What both
// accept must be the same; a decoder that joined late may not contradict one that did not.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "parsers/wire/hpack.h"
#include "tests/support/hpack_reference.h"

namespace {

using llmtap::HpackDecoder;
using llmtap::HpackField;
using Fields = std::vector<std::pair<std::optional<std::string>, std::optional<std::string>>>;

std::optional<Fields> decode(HpackDecoder& decoder, std::string_view block) {
  Fields fields;
  const auto status = decoder.decode(block, [&](const HpackField& f) {
    fields.emplace_back();
    if (f.name_known) fields.back().first = f.name;
    if (f.value_known) fields.back().second = f.value;
  });
  if (!status) return std::nullopt;
  return fields;
}

// As ours: everything is known.
std::optional<Fields> reference(llmtap::testing::HpackReference& peer, std::string_view block) {
  const auto decoded = peer.decode(block);
  if (!decoded) return std::nullopt;
  return Fields(decoded->begin(), decoded->end());
}

void require(bool ok) {
  if (!ok) std::abort();
}

// What both know is the same. (A peer that names evicted entries is known only to the one that
// still keeps them.)
void require_no_contradiction(const Fields& late, const Fields& full) {
  const auto agree = [](const auto& a, const auto& b) { return !a || !b || a == b; };
  require(late.size() == full.size());
  for (std::size_t i = 0; i < late.size(); ++i) {
    require(agree(late[i].first, full[i].first) && agree(late[i].second, full[i].second));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(bytes), size);
  llmtap::testing::HpackReference peer;
  HpackDecoder full;
  HpackDecoder late;
  late.forget();
  bool compared = true;  // until one of the two references refuses a block
  for (std::size_t block_number = 0; input.size() >= 2; ++block_number) {
    const std::size_t length = static_cast<std::uint8_t>(input[0]) * std::size_t{256} +
                               static_cast<std::uint8_t>(input[1]);
    const std::string_view block = input.substr(2, length);
    input.remove_prefix(2 + block.size());
    const auto ours = decode(full, block);
    if (compared) {
      const auto theirs = reference(peer, block);
      if (ours && theirs) require(ours == theirs);
      compared = ours && theirs;
    }
    if (!ours) break;
    if (block_number < 2) continue;  // not seen by the one that joins late
    const auto seen = decode(late, block);
    require(seen.has_value());
    require_no_contradiction(*seen, *ours);
    require(full.memory() < 4 * HpackDecoder::kMaxTable);
  }
  return 0;
}
