// SPDX-License-Identifier: Apache-2.0
//
// The bytes that a search for frame boundaries must keep: from the first place that may still turn
// out to be a frame to the last byte that came. Shared by HTTP/2 and WebSocket.
//
// Cost is linear: bytes move only when at least as many were appended since the last move.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace llmtap {

// Positions count from the front of bytes(); trim() says by how much they moved.
class SearchWindow {
 public:
  void append(std::string_view bytes) { window_.append(bytes); }
  std::string_view bytes() const { return window_; }
  std::size_t size() const { return window_.size(); }

  // Nothing before `first` matters any more. Returns what to subtract from every position.
  std::size_t trim(std::size_t first) {
    pass_over(first);
    if (kept_ < window_.size() / 2 || kept_ == 0) return 0;
    window_.erase(0, kept_);
    return std::exchange(kept_, 0);
  }
  // Bytes before `first` that were not consumed belong to no frame.
  void pass_over(std::size_t first) {
    skipped_ += first - kept_;
    kept_ = first;
  }
  // Bytes before `end` were used.
  void consume(std::size_t end) { kept_ = end; }
  void clear() {
    pass_over(window_.size());
    window_ = std::string();
    kept_ = 0;
  }
  // Bytes passed over since the last call.
  std::uint64_t take_skipped() { return std::exchange(skipped_, 0); }
  std::size_t memory() const { return window_.capacity(); }

 private:
  std::string window_;
  std::size_t kept_ = 0;  // first byte that may still matter
  std::uint64_t skipped_ = 0;
};

}  // namespace llmtap
