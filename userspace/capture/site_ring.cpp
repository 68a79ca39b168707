// SPDX-License-Identifier: Apache-2.0
//
// rustls on ring. No error strings, and its assembly is not unique; but each algorithm is a static
// record of pointers (ring src/aead/algorithm.rs): {init, seal, open, key length, id}. AES-128-GCM
// (16, 0) and AES-256-GCM (32, 1) share seal and open; ChaCha20-Poly1305 is (32, 2). No code is
// read.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "userspace/capture/site_finders.h"
#include "userspace/capture/x86.h"

namespace llmtap {
namespace {

struct Algorithm {
  std::uint64_t seal = 0, open = 0;
  std::uint64_t key_length = 0;
  std::uint8_t id = 0;
};

constexpr std::uint64_t kWord = 8;
constexpr std::size_t kMostFound = 256;      // look-alikes; real files have a few
constexpr std::uint64_t kWindow = 8U << 20;  // pages are let go behind the search in such pieces

class AlgorithmSearch {
 public:
  explicit AlgorithmSearch(const ElfFile& elf) : elf_(elf) {}

  std::vector<Algorithm> run() {
    elf_.relocations([&](const ElfRelocation& r) {
      if (r.symbol.empty()) next(r.address, r.addend);
    });
    // Fixed addresses, or relocations of the packed kind: the words are in the file.
    if (found_.empty()) read_words();
    return std::move(found_);
  }

 private:
  void read_words() {
    for (const auto& s : elf_.segments()) {
      if (s.executable) continue;
      const auto bytes = elf_.bytes().subspan(s.offset, s.size);
      std::uint64_t kept = 0;
      for (std::uint64_t at = -s.address & (kWord - 1); at + kWord <= s.size; at += kWord) {
        std::uint64_t value = 0;
        std::memcpy(&value, bytes.data() + at, kWord);
        next(s.address + at, value);
        if (at - kept < kWindow) continue;
        elf_.file().forget(s.offset + kept, kWindow);
        kept += kWindow;
      }
    }
  }

  // Words in order of address; a record ends with its third pointer.
  void next(std::uint64_t address, std::uint64_t value) {
    if (!elf_.is_executable(value)) {
      run_ = 0;
      return;
    }
    run_ = address == last_ + kWord ? run_ + 1 : 1;
    last_ = address;
    values_ = {values_[1], values_[2], value};
    if (run_ < values_.size()) return;
    const auto length = elf_.word_at(address + kWord);
    const auto id = elf_.at(address + 2 * kWord);
    if (!length || (*length != 16 && *length != 32) || id.empty() || id[0] > 2 ||
        found_.size() == kMostFound)
      return;
    found_.push_back({values_[1], values_[2], *length, id[0]});
  }

  const ElfFile& elf_;
  std::uint64_t last_ = 0;
  std::size_t run_ = 0;
  std::array<std::uint64_t, 3> values_ = {};
  std::vector<Algorithm> found_;
};

ProbePlan refused(const char* why) {
  return {TLS_LIB_RUSTLS_RING, {}, std::string("ring: ") + why};
}

}  // namespace

ProbePlan find_ring(const ElfFile& elf) {
  const auto algorithms = AlgorithmSearch(elf).run();
  std::vector<Algorithm> aes, chacha;
  for (const auto& a : algorithms) {
    if (a.key_length == 32 && a.id == 2) chacha.push_back(a);
    for (const auto& b : algorithms)
      if (a.key_length == 16 && a.id == 0 && b.key_length == 32 && b.id == 1 && a.seal == b.seal &&
          a.open == b.open)
        aes.push_back(a);
  }
  if (aes.empty()) return {};
  if (aes.size() > 1) return refused("its tables are not unique");
  // A stray may look like the third record; the right one stands alone or is left out.
  ProbePlan plan{TLS_LIB_RUSTLS_RING, {}, {}};
  if (chacha.size() != 1)
    plan.reason = "ring: ChaCha20-Poly1305 is not unique, its records stay unseen";
  const auto add = [&](std::uint64_t address, bool open, const char* name) {
    const auto first = decode(elf.at(address), address);
    const auto offset = elf.offset_of(address);
    if (!first || !offset) return;
    plan.sites.push_back({*offset,
                          TLS_COOKIE(open ? TLS_CALL_RING_OPEN : TLS_CALL_RING_SEAL,
                                     open ? TLS_READ : TLS_WRITE, TLS_LIB_RUSTLS_RING),
                          open, site_class(*first), SiteKind::kFound, name});
  };
  add(aes[0].seal, false, "AES-GCM seal");
  add(aes[0].open, true, "AES-GCM open");
  if (chacha.size() == 1) {
    add(chacha[0].seal, false, "ChaCha20-Poly1305 seal");
    add(chacha[0].open, true, "ChaCha20-Poly1305 open");
  }
  return plan;
}

}  // namespace llmtap
