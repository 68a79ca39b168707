// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/function_bounds.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "userspace/capture/code_scan.h"

namespace llmtap {
namespace {

// A function that reaches farther back than this from its reference is not searched for.
constexpr std::uint64_t kMostFunction = 16U << 10;
constexpr std::uint64_t kJoined = 1U << 20;
// Nor is one believed that an unwind table makes longer.
constexpr std::uint64_t kMostUnwound = 256U << 10;
constexpr std::size_t kMostRanges = 8;

// DWARF pointer encodings (LSB Core 10.5.1): the table's usual one, and the usual one of FDEs.
constexpr std::uint8_t kTableEncoding = 0x3b;  // data-relative, signed 4 bytes
constexpr std::uint8_t kCountEncoding = 0x03;  // unsigned 4 bytes

template <class T>
std::optional<T> read(const ElfFile& elf, std::uint64_t address) {
  const auto bytes = elf.at(address);
  if (bytes.size() < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

// The binary search table of .eh_frame_hdr.
class UnwindTable {
 public:
  explicit UnwindTable(const ElfFile& elf) : elf_(elf) {
    const ElfSection* const header = elf.section(".eh_frame_hdr");
    if (header == nullptr) return;
    const auto bytes = elf.content(*header);
    // version 1, pointer encoding, count encoding, table encoding, pointer, count, table
    if (bytes.size() < 12 || bytes[0] != 1 || bytes[2] != kCountEncoding ||
        bytes[3] != kTableEncoding || (bytes[1] & 0x0f) != 0x0b)
      return;
    base_ = header->address;
    std::uint32_t count = 0;
    std::memcpy(&count, bytes.data() + 8, sizeof(count));
    table_ = bytes.subspan(12, std::min<std::uint64_t>((bytes.size() - 12) / 8, count) * 8);
  }

  std::optional<FunctionRange> find(std::uint64_t address) const {
    std::size_t low = 0, high = table_.size() / 8;
    while (low < high) {
      const std::size_t middle = (low + high) / 2;
      if (pointer(middle * 2) <= address) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    if (low == 0) return std::nullopt;
    const std::uint64_t begin = pointer((low - 1) * 2);
    const auto length = length_of(pointer((low - 1) * 2 + 1), begin);
    if (!length || *length > kMostUnwound || address - begin >= *length) return std::nullopt;
    return FunctionRange{begin, begin + *length};
  }

 private:
  std::uint64_t pointer(std::size_t index) const {
    std::int32_t value = 0;
    std::memcpy(&value, table_.data() + index * 4, sizeof(value));
    return base_ + static_cast<std::uint64_t>(std::int64_t{value});
  }
  // An FDE: length, CIE pointer, start, range; start and range of 4 bytes in practice (encoding
  // 0x1b), which is what the start must confirm.
  std::optional<std::uint64_t> length_of(std::uint64_t fde, std::uint64_t begin) const {
    const auto start = read<std::int32_t>(elf_, fde + 8);
    const auto range = read<std::uint32_t>(elf_, fde + 12);
    if (!start || !range) return std::nullopt;
    if (fde + 8 + static_cast<std::uint64_t>(std::int64_t{*start}) != begin) return std::nullopt;
    return *range;
  }

  const ElfFile& elf_;
  std::uint64_t base_ = 0;
  std::span<const std::uint8_t> table_;
};

// The nops that end in zeros (Intel SDM, NOP, "recommended multi-byte sequences").
bool ends_in_long_nop(std::span<const std::uint8_t> before) {
  constexpr std::array<std::string_view, 5> kNops = {
      std::string_view("\x0f\x1f\x00", 3), std::string_view("\x0f\x1f\x40\x00", 4),
      std::string_view("\x0f\x1f\x44\x00\x00", 5),
      std::string_view("\x0f\x1f\x80\x00\x00\x00\x00", 7),
      std::string_view("\x0f\x1f\x84\x00\x00\x00\x00\x00", 8)};
  const std::string_view text(reinterpret_cast<const char*>(before.data()), before.size());
  return std::any_of(kNops.begin(), kNops.end(), [&](auto nop) { return text.ends_with(nop); });
}

// Code does not fall through to `address`: padding, a return, a jump or a trap stands before it.
bool can_start(const ElfFile& elf, std::uint64_t address) {
  constexpr std::uint64_t kBefore = 8;
  const auto bytes = elf.at(address - kBefore);
  if (bytes.size() < kBefore) return false;
  const std::uint8_t* const end = bytes.data() + kBefore;
  const bool padding = end[-1] == 0xcc || end[-1] == 0x90 || ends_in_long_nop(bytes.first(kBefore));
  const bool ret = end[-1] == 0xc3;
  const bool jump = end[-5] == 0xe9 || end[-2] == 0xeb;
  const bool trap = end[-2] == 0x0f && end[-1] == 0x0b;
  return padding || ret || jump || trap;
}

// Ranges around the addresses (sorted) that hold their functions' starts. Only a few: near ones
// are joined, and if there are too many, all.
std::vector<CodeRange> neighbourhoods(std::span<const std::uint64_t> addresses) {
  std::vector<CodeRange> ranges;
  for (const auto address : addresses) {
    const std::uint64_t begin = address - std::min(address, kMostFunction);
    if (ranges.empty() || begin > ranges.back().end + kJoined) ranges.push_back({begin, begin});
    ranges.back().end = address + kMostFunction;
  }
  if (ranges.size() > kMostRanges) ranges = {{ranges.front().begin, ranges.back().end}};
  return ranges;
}

}  // namespace

std::vector<std::optional<FunctionRange>> functions_around(
    const ElfFile& elf, std::span<const std::uint64_t> addresses) {
  std::vector<std::optional<FunctionRange>> found;
  if (addresses.empty()) return found;
  const UnwindTable table(elf);
  bool complete = true;
  for (const auto address : addresses) {
    found.push_back(table.find(address));
    complete = complete && found.back();
  }
  if (complete) return found;
  const auto calls = find_call_targets(elf, neighbourhoods(addresses));
  std::vector<std::uint64_t> starts;
  std::copy_if(calls.begin(), calls.end(), std::back_inserter(starts),
               [&](std::uint64_t address) { return can_start(elf, address); });
  for (std::size_t k = 0; k < addresses.size(); ++k) {
    if (found[k]) continue;
    const auto next = std::upper_bound(starts.begin(), starts.end(), addresses[k]);
    if (next == starts.begin() || addresses[k] - next[-1] > kMostFunction) continue;
    found[k] = FunctionRange{next[-1], next == starts.end() ? addresses[k] + kMostFunction : *next};
  }
  return found;
}

}  // namespace llmtap
