// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/hpack_huffman.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace llmtap {
namespace {

constexpr int kEos = 256;
constexpr int kMaxBits = 30;

// Code lengths of appendix B by symbol. The code is canonical (ordered by length, then symbol), so
// the lengths are the whole table.
constexpr std::array<std::uint8_t, kEos + 1> kBits = {
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,  // 0x00
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,  // 0x10
    6,  10, 10, 12, 13, 6,  8,  11, 10, 10, 8,  11, 8,  6,  6,  6,   // ' '
    5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8,  15, 6,  12, 10,  // '0'
    13, 6,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,   // '@'
    7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8,  13, 19, 13, 14, 6,   // 'P'
    15, 5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,   // '`'
    6,  7,  6,  5,  5,  6,  7,  7,  7,  7,  7,  15, 11, 14, 13, 28,  // 'p'
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,  // 0x80
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,  // 0x90
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,  // 0xa0
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,  // 0xb0
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,  // 0xc0
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,  // 0xd0
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,  // 0xe0
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,  // 0xf0
    30};

// One step of the machine: four bits in, at most one symbol out (the shortest code has five).
struct Step {
  std::uint8_t next = 0;
  std::uint8_t symbol = 0;
  bool emits = false;
  bool fails = false;   // EOS inside the text
  bool accept = false;  // the text may end here: what is pending is padding
};

constexpr int kStates = 256;  // inner nodes of a binary tree with 257 leaves

// Inner nodes are 0..255 with the root at 0; a leaf is stored as kLeaf + symbol.
struct Tree {
  static constexpr std::uint16_t kNone = 0xffff;
  static constexpr std::uint16_t kLeaf = 0x1000;
  std::array<std::array<std::uint16_t, 2>, kStates> child{};
  std::array<bool, kStates> accept{};
};

constexpr Tree make_tree() {
  Tree tree;
  for (auto& pair : tree.child) pair = {Tree::kNone, Tree::kNone};
  std::uint16_t used = 1;
  std::uint32_t code = 0;
  for (int bits = 1; bits <= kMaxBits; ++bits, code <<= 1) {
    for (int symbol = 0; symbol <= kEos; ++symbol) {
      if (kBits[symbol] != bits) continue;
      std::uint16_t node = 0;
      for (int bit = bits - 1; bit > 0; --bit) {
        auto& child = tree.child[node][(code >> bit) & 1];
        if (child == Tree::kNone) child = used++;
        node = child;
      }
      tree.child[node][code & 1] = static_cast<std::uint16_t>(Tree::kLeaf + symbol);
      ++code;
    }
  }
  std::uint16_t node = 0;  // padding: fewer than eight bits of EOS, which is all ones
  for (int depth = 0; depth < 8; ++depth, node = tree.child[node][1]) tree.accept[node] = true;
  return tree;
}

using Machine = std::array<std::array<Step, 16>, kStates>;

constexpr Machine make_machine() {
  constexpr Tree kTree = make_tree();
  Machine machine{};
  for (int state = 0; state < kStates; ++state) {
    for (int nibble = 0; nibble < 16; ++nibble) {
      Step& step = machine[state][nibble];
      std::uint16_t node = static_cast<std::uint16_t>(state);
      for (int bit = 3; bit >= 0 && !step.fails; --bit) {
        node = kTree.child[node][(nibble >> bit) & 1];
        if (node < Tree::kLeaf) continue;
        step.fails = node == Tree::kLeaf + kEos;
        step.emits = !step.fails;
        step.symbol = static_cast<std::uint8_t>(node - Tree::kLeaf);
        node = 0;
      }
      step.next = static_cast<std::uint8_t>(node);
      step.accept = kTree.accept[node];
    }
  }
  return machine;
}

constexpr bool code_is_complete() {  // Kraft's sum is exactly one
  std::uint64_t sum = 0;
  for (const auto bits : kBits) sum += std::uint64_t{1} << (kMaxBits - bits);
  return sum == std::uint64_t{1} << kMaxBits;
}
static_assert(code_is_complete());

constexpr Machine kMachine = make_machine();

}  // namespace

bool huffman_decode(std::string_view encoded, std::string& out) {
  out.reserve(out.size() + encoded.size() * 8 / 5);
  std::uint8_t state = 0;
  bool accept = true;
  for (const char c : encoded) {
    const auto byte = static_cast<std::uint8_t>(c);
    for (const int nibble : {byte >> 4, byte & 15}) {
      const Step& step = kMachine[state][static_cast<std::size_t>(nibble)];
      if (step.fails) return false;
      if (step.emits) out.push_back(static_cast<char>(step.symbol));
      state = step.next;
      accept = step.accept;
    }
  }
  return accept;
}

}  // namespace llmtap
