// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/code_scan.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <string>

namespace llmtap {
namespace {

// Pages are let go behind the scan in pieces of this size.
constexpr std::size_t kWindow = 8U << 20;
// No file name of a build is longer.
constexpr std::size_t kMostString = 4096;
constexpr std::size_t kMostHits = 65536;
constexpr std::uint64_t kMostSpan = 1U << 30;
constexpr std::size_t kMostTargets = 4U << 20;  // functions of one file

using Bytes = std::span<const std::uint8_t>;

bool is_printable(std::uint8_t byte) { return byte >= 0x20 && byte < 0x7f; }

// Calls `scan` for windows of [offset, offset + size) that overlap by `overlap` bytes.
void for_each_window(const ElfFile& elf, std::uint64_t offset, std::uint64_t size,
                     std::size_t overlap,
                     const std::function<void(Bytes window, std::uint64_t at)>& scan) {
  for (std::uint64_t done = 0; done < size; done += kWindow) {
    const std::uint64_t length = std::min<std::uint64_t>(size - done, kWindow + overlap);
    scan(elf.bytes().subspan(offset + done, length), offset + done);
    elf.file().forget(offset + done, std::min<std::uint64_t>(size - done, kWindow));
  }
}

struct Range {
  std::uint64_t offset, size;
};

// Read-only data of the program itself.
std::vector<Range> data_ranges(const ElfFile& elf) {
  std::vector<Range> ranges;
  const ElfSection* const bun = elf.section(".bun");
  for (const auto& s : elf.segments()) {
    if (s.executable) continue;
    const bool has_bun =
        bun != nullptr && bun->offset >= s.offset && bun->offset < s.offset + s.size;
    ranges.push_back({s.offset, has_bun ? bun->offset - s.offset : s.size});
    if (has_bun && bun->size < s.offset + s.size - bun->offset) {
      const std::uint64_t behind = bun->offset + bun->size;
      ranges.push_back({behind, s.offset + s.size - behind});
    }
  }
  return ranges;
}

// Some linkers put constants into the one executable segment; then there is nothing else.
std::vector<Range> string_ranges(const ElfFile& elf) {
  std::vector<Range> ranges = data_ranges(elf);
  for (const auto& section : elf.sections())
    if (section.name == ".rodata" && elf.is_executable(section.address) &&
        !elf.content(section).empty())
      ranges.push_back({section.offset, section.size});
  return ranges;
}

std::int32_t displacement(const std::uint8_t* at) {
  std::int32_t value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

// Four lanes at a time: this reads hundreds of megabytes.
using Lanes __attribute__((vector_size(16))) = std::uint32_t;

bool any(Lanes mask) {
  std::uint64_t halves[2];
  std::memcpy(halves, &mask, sizeof(halves));
  return (halves[0] | halves[1]) != 0;
}

// Numbers modulo 2^32.
struct NumberRange {
  std::uint32_t least, span;
};

// Every 4 bytes of code, at every position, as a number v: calls hit(k) where v, or if `relative`
// v + address + k, is in one of the ranges.
template <class Hit>
void scan_numbers(Bytes window, std::uint64_t address, bool relative,
                  std::span<const NumberRange> ranges, Hit hit) {
  const std::uint8_t* const p = window.data();
  const Lanes step = relative ? Lanes{0, 4, 8, 12} : Lanes{};
  const auto base_at = [&](std::size_t k) {
    return relative ? static_cast<std::uint32_t>(address + k) : 0;
  };
  const auto check = [&](std::size_t k) {
    std::uint32_t v;
    std::memcpy(&v, p + k, sizeof(v));
    for (const auto& range : ranges)
      if (v + base_at(k) - range.least <= range.span) return hit(k);
  };
  std::size_t k = 0;
  for (; k + 19 <= window.size(); k += 16) {
    Lanes found = {};
    for (std::uint32_t shift = 0; shift < 4; ++shift) {
      Lanes v;
      std::memcpy(&v, p + k + shift, sizeof(v));
      v += step + base_at(k + shift);
      for (const auto& range : ranges)
        found |= reinterpret_cast<Lanes>((v - range.least) <= (Lanes{} + range.span));
    }
    if (!any(found)) continue;
    for (std::size_t j = k; j < k + 16; ++j) check(j);
  }
  for (; k + 4 <= window.size(); ++k) check(k);
}

template <class T>
void sort_unique(std::vector<T>& list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

template <class Visit>
void scan_code(const ElfFile& elf, Visit visit) {
  constexpr std::size_t kLongest = 16;
  for (const auto& s : elf.segments()) {
    if (!s.executable) continue;
    for_each_window(elf, s.offset, s.size, kLongest, [&](Bytes window, std::uint64_t at) {
      visit(window, s.address + (at - s.offset));
    });
  }
}

}  // namespace

std::vector<std::uint64_t> find_strings(const ElfFile& elf, std::string_view tail) {
  std::vector<std::uint64_t> found;
  const std::string needle = std::string(tail) + '\0';
  for (const auto& range : string_ranges(elf)) {
    for_each_window(
        elf, range.offset, range.size, kMostString, [&](Bytes window, std::uint64_t at) {
          const std::uint8_t* from = window.data();
          const std::uint8_t* const end = from + window.size();
          while (const void* const hit = memmem(from, static_cast<std::size_t>(end - from),
                                                needle.data(), needle.size())) {
            const auto* start = static_cast<const std::uint8_t*>(hit);
            from = start + 1;
            const auto* const limit = elf.bytes().data() + range.offset;
            const auto* const least =
                std::max(limit, start - std::min<std::ptrdiff_t>(kMostString, start - limit));
            while (start > least && is_printable(start[-1])) --start;
            const std::uint64_t offset = at + static_cast<std::uint64_t>(start - window.data());
            if (const auto address = elf.address_of(offset)) found.push_back(*address);
            if (found.size() >= kMostHits) return;
          }
        });
  }
  sort_unique(found);
  return found;
}

std::vector<std::string> find_texts(const ElfFile& elf, std::string_view text, std::size_t behind) {
  std::vector<std::string> found;
  for (const auto& range : string_ranges(elf)) {
    for_each_window(
        elf, range.offset, range.size, text.size() + behind, [&](Bytes window, std::uint64_t) {
          const auto* from = reinterpret_cast<const char*>(window.data());
          const char* const end = from + window.size();
          while (const void* const hit =
                     memmem(from, static_cast<std::size_t>(end - from), text.data(), text.size())) {
            from = static_cast<const char*>(hit) + text.size();
            if (static_cast<std::size_t>(end - from) < behind || found.size() >= kMostHits) return;
            found.emplace_back(from, behind);
          }
        });
  }
  return found;
}

std::vector<CodeReference> find_references(const ElfFile& elf,
                                           std::span<const std::uint64_t> targets) {
  std::vector<CodeReference> found;
  if (targets.empty() || targets.size() > 64) return found;
  std::vector<std::uint64_t> sorted(targets.begin(), targets.end());
  std::sort(sorted.begin(), sorted.end());
  const std::uint64_t least = sorted.front();
  const bool absolute = !elf.is_position_independent();
  const auto check = [&](std::uint64_t address, std::uint64_t target) {
    if (std::binary_search(sorted.begin(), sorted.end(), target) && found.size() < kMostHits)
      found.push_back({address, target});
  };
  if (sorted.back() - least > kMostSpan) return found;
  const NumberRange range = {static_cast<std::uint32_t>(least),
                             static_cast<std::uint32_t>(sorted.back() - least)};
  scan_code(elf, [&](Bytes window, std::uint64_t at) {
    const std::uint8_t* const p = window.data();
    // 48/4c 8d /r with mod 00 rm 101: lea r64, [rip + d32].
    scan_numbers(window, at + 4, true, {&range, 1}, [&](std::size_t k) {
      if (k >= 3 && p[k - 2] == 0x8d && (p[k - 3] & 0xfb) == 0x48 && (p[k - 1] & 0xc7) == 0x05)
        check(at + k - 3,
              at + k + 4 + static_cast<std::uint64_t>(std::int64_t{displacement(p + k)}));
    });
    if (!absolute) return;
    // b8+r imm32: mov r32, imm32, with REX.B in front or not.
    scan_numbers(window, at, false, {&range, 1}, [&](std::size_t k) {
      if (k < 1 || (p[k - 1] & 0xf8) != 0xb8) return;
      const bool rex = k > 1 && (p[k - 2] & 0xfe) == 0x40;
      check(at + k - (rex ? 2 : 1), static_cast<std::uint32_t>(displacement(p + k)));
    });
  });
  sort_unique(found);
  return found;
}

std::vector<std::uint64_t> find_calls(const ElfFile& elf, std::uint64_t target) {
  std::vector<std::uint64_t> found;
  const NumberRange range = {static_cast<std::uint32_t>(target), 0};
  scan_code(elf, [&](Bytes window, std::uint64_t at) {
    const std::uint8_t* const p = window.data();
    scan_numbers(window, at + 4, true, {&range, 1}, [&](std::size_t k) {
      const bool branches = k > 0 && (p[k - 1] == 0xe8 || p[k - 1] == 0xe9);
      const auto to = at + k + 4 + static_cast<std::uint64_t>(std::int64_t{displacement(p + k)});
      if (branches && to == target && found.size() < kMostHits) found.push_back(at + k - 1);
    });
  });
  sort_unique(found);
  return found;
}

std::vector<std::uint64_t> find_call_targets(const ElfFile& elf,
                                             std::span<const CodeRange> ranges) {
  std::vector<std::uint64_t> found;
  bool full = false;
  std::vector<NumberRange> numbers;
  for (const auto& range : ranges)
    numbers.push_back({static_cast<std::uint32_t>(range.begin),
                       static_cast<std::uint32_t>(range.end - range.begin - 1)});
  scan_code(elf, [&](Bytes window, std::uint64_t at) {
    const std::uint8_t* const p = window.data();
    scan_numbers(window, at + 4, true, numbers, [&](std::size_t k) {
      if (k == 0 || p[k - 1] != 0xe8) return;
      if (full) return;
      if (found.size() == 2 * kMostTargets) {
        sort_unique(found);
        full = found.size() > kMostTargets;
      }
      found.push_back(at + k + 4 + static_cast<std::uint64_t>(std::int64_t{displacement(p + k)}));
    });
  });
  sort_unique(found);
  return found;
}

}  // namespace llmtap
