// SPDX-License-Identifier: Apache-2.0
//
// What the fuzz targets share: an input that says how it is cut, and the property that the cuts
// change nothing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "tests/unit/body/body_support.h"

namespace llmtap::fuzz {

// Takes what drives a run off the front of the input; the rest is the body.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size)
      : rest_(reinterpret_cast<const char*>(data), size) {}

  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  std::string_view take(std::size_t size) {
    const std::string_view part = rest_.substr(0, size);
    rest_.remove_prefix(part.size());
    return part;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

// Piece sizes: 0 → all at once, 1 → single bytes, else irregular.
class Pieces {
 public:
  explicit Pieces(std::uint8_t seed) : seed_(seed), state_(seed * 2654435761u + 1) {}

  std::size_t next() {
    if (seed_ == 0) return SIZE_MAX;
    if (seed_ == 1) return 1;
    state_ = state_ * 1664525u + 1013904223u;
    return 1 + (state_ >> 16) % (2u + seed_);
  }

 private:
  std::uint8_t seed_;
  std::uint32_t state_;
};

template <class Feed>
void cut(std::string_view bytes, std::uint8_t seed, Feed feed) {
  Pieces pieces(seed);
  while (!bytes.empty()) {
    const std::string piece(bytes.substr(0, pieces.next()));  // a copy: kept views are caught
    feed(std::string_view(piece));
    bytes.remove_prefix(piece.size());
  }
}

[[noreturn]] inline void fail(const char* what) {
  std::fprintf(stderr, "property violated: %s\n", what);
  std::abort();
}

// One body, with a gap in it where `gap_at` is inside.
inline llmtap::testing::Collected run(std::unique_ptr<BodyDecoder> decoder, std::string_view body,
                                      std::size_t gap_at, bool complete, std::uint8_t seed) {
  llmtap::testing::Collected out;
  const auto feed = [&](std::string_view piece) { decoder->feed(piece, 1, out); };
  cut(body.substr(0, gap_at), seed, feed);
  if (gap_at < body.size()) {
    decoder->gap(5);
    cut(body.substr(gap_at), seed, feed);
  }
  decoder->finish(1, complete, out);
  return out;
}

// The property of every body decoder. `make` gives a fresh one.
template <class Make>
void check_body(Make make, std::string_view body, std::uint8_t gap, bool complete,
                std::uint8_t seed) {
  const std::size_t gap_at = gap == 0 ? body.size() : std::min<std::size_t>(gap - 1u, body.size());
  const auto whole = run(make(), body, gap_at, complete, 0);
  if (run(make(), body, gap_at, complete, 1).events != whole.events) fail("single bytes differ");
  if (seed > 1 && run(make(), body, gap_at, complete, seed).events != whole.events) {
    fail("pieces differ");
  }
}

}  // namespace llmtap::fuzz
