// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/hpack.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "parsers/wire/hpack_huffman.h"
#include "parsers/wire/hpack_static.h"

namespace llmtap {
namespace {

Error error(const char* what) { return Error{std::string("hpack: ") + what}; }

std::uint8_t first_byte(std::string_view block) { return static_cast<std::uint8_t>(block[0]); }

// 5.1. Consumes the integer; absent when it is cut short or does not fit 28 bits (nothing in a
// block that we accept is that large).
std::optional<std::uint32_t> read_integer(std::string_view& block, int prefix_bits) {
  const std::uint32_t mask = (1U << prefix_bits) - 1;
  std::uint32_t value = first_byte(block) & mask;
  block.remove_prefix(1);
  if (value < mask) return value;
  for (int shift = 0; shift <= 21; shift += 7) {
    if (block.empty()) return std::nullopt;
    const std::uint8_t byte = first_byte(block);
    block.remove_prefix(1);
    value += static_cast<std::uint32_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  return std::nullopt;
}

// 5.2. The text is a view into the block, or into `decoded` when it was Huffman-coded.
std::optional<std::string_view> read_string(std::string_view& block, std::string& decoded) {
  if (block.empty()) return std::nullopt;
  const bool huffman = (first_byte(block) & 0x80) != 0;
  const auto size = read_integer(block, 7);
  if (!size || *size > block.size()) return std::nullopt;
  const std::string_view raw = block.substr(0, *size);
  block.remove_prefix(*size);
  if (!huffman) return raw;
  if (!huffman_decode(raw, decoded)) return std::nullopt;
  return decoded;
}

}  // namespace

HpackDecoder::Entry::Entry(const HpackField& field)
    : text(new char[field.name.size() + field.value.size()]),
      name_size(static_cast<std::uint32_t>(field.name.size())),
      value_size(static_cast<std::uint32_t>(field.value.size()) & 0x7fffffff),
      name_known(field.name_known) {
  std::copy(field.name.begin(), field.name.end(), text.get());
  std::copy(field.value.begin(), field.value.end(), text.get() + name_size);
}

Status HpackDecoder::decode(std::string_view block, const OnField& field) {
  bool at_start = true;
  while (!block.empty()) {
    const std::uint8_t first = first_byte(block);
    const bool size_update = (first & 0xe0) == 0x20;
    if (size_update && !at_start) return error("table size update behind a field");  // 4.2
    at_start = size_update;
    Status status = (first & 0x80) != 0 ? decode_indexed(block, field)
                    : size_update       ? decode_size_update(block)
                                        : decode_literal(block, field);
    if (!status) return status;
  }
  return Unit{};
}

Status HpackDecoder::decode_indexed(std::string_view& block, const OnField& field) {  // 6.1
  const auto index = read_integer(block, 7);
  if (!index || *index == 0) return error("bad index");
  field(lookup(*index));
  return Unit{};
}

Status HpackDecoder::decode_literal(std::string_view& block, const OnField& on_field) {  // 6.2
  const bool inserts = (first_byte(block) & 0x40) != 0;
  const auto index = read_integer(block, inserts ? 6 : 4);
  if (!index) return error("bad name index");
  std::string name_text;
  std::string value_text;
  HpackField field;
  if (*index != 0) {
    field = lookup(*index);
  } else {
    const auto name = read_string(block, name_text);
    if (!name) return error("bad name");
    field.name = *name;
  }
  const auto value = read_string(block, value_text);
  if (!value) return error("bad value");
  field.value = *value;
  field.value_known = true;
  on_field(field);
  if (inserts) insert(field);
  return Unit{};
}

Status HpackDecoder::decode_size_update(std::string_view& block) {  // 6.3
  const auto size = read_integer(block, 5);
  if (!size) return error("bad table size");
  max_size_ = std::min(*size, kMaxTable);
  evict_to(max_size_);
  return Unit{};
}

void HpackDecoder::forget() {
  std::vector<Entry>().swap(ring_);
  count_ = 0;
  size_ = 0;
  max_size_ = std::max(max_size_, kLateTable);
}

HpackField HpackDecoder::lookup(std::uint32_t index) const {
  if (index <= kHpackStatic.size()) {
    const auto& fixed = kHpackStatic[index - 1];
    return {fixed.name, fixed.value};
  }
  const std::size_t age = index - kHpackStatic.size() - 1;
  if (age >= count_) return {{}, {}, false, false};
  const Entry& found = entry(age);
  return {found.name(), found.value(), found.name_known != 0};
}

void HpackDecoder::insert(const HpackField& field) {  // 4.4
  Entry added(field);  // before evicting: an entry may be the source
  const std::size_t size = added.size();
  evict_to(size > max_size_ ? 0 : max_size_ - size);
  if (size > max_size_) return;
  if (count_ == ring_.size()) grow();
  newest_ = (newest_ + 1) & (ring_.size() - 1);
  ring_[newest_] = std::move(added);
  ++count_;
  size_ += size;
}

void HpackDecoder::evict_to(std::size_t size) {
  while (size_ > size) {
    Entry& oldest = ring_[(newest_ - (count_ - 1)) & (ring_.size() - 1)];
    size_ -= oldest.size();
    oldest = {};
    --count_;
  }
}

void HpackDecoder::grow() {
  std::vector<Entry> larger(std::max<std::size_t>(8, ring_.size() * 2));
  for (std::size_t age = 0; age < count_; ++age) {
    larger[count_ - 1 - age] = std::move(ring_[(newest_ - age) & (ring_.size() - 1)]);
  }
  newest_ = (count_ - 1) & (larger.size() - 1);
  ring_ = std::move(larger);
}

const HpackDecoder::Entry& HpackDecoder::entry(std::size_t age) const {
  return ring_[(newest_ - age) & (ring_.size() - 1)];
}

}  // namespace llmtap
