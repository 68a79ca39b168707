// SPDX-License-Identifier: Apache-2.0
//
// Finds where HTTP/2 frames begin among bytes of unknown alignment: the first place where a
// plausible frame header is followed, behind its payload, by another one that may follow it. Text
// and random bytes do not look like that. All candidates are tried side by side and the one whose
// second header comes first wins, so the result does not depend on how the bytes were cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "parsers/wire/http2_frame.h"
#include "parsers/wire/search_window.h"

namespace llmtap {

class FrameSearch {
 public:
  static constexpr std::size_t kMaxCandidates = 32;
  // Held at most beside what one append() brought.
  static constexpr std::size_t kMaxHeld = 2 * (kDefaultMaxFrame + 2 * FrameHeader::kSize);

  void append(std::string_view bytes) { window_.append(bytes); }
  // Goes on until it finds a run (true) or needs more bytes.
  bool find();
  // From the first frame of the run to the last byte appended. Valid until the next call.
  std::string_view found() const { return window_.bytes().substr(start_); }
  // The first `size` bytes of found() are dealt with; the search goes on behind them.
  void resume(std::size_t size);
  void clear();
  // Bytes that were passed over since the last call: they belong to no frame that was found.
  std::uint64_t take_skipped() { return window_.take_skipped(); }
  std::size_t memory() const { return window_.memory(); }

 private:
  struct Candidate {
    FrameHeader header;
    std::size_t start = 0;
    std::size_t next = 0;  // where the header behind it must be
  };

  bool try_header();
  void expire();
  void trim();

  SearchWindow window_;
  std::size_t scan_ = 0;   // next place to try; everything before it was tried
  std::size_t start_ = 0;  // of the run that was found
  std::vector<Candidate> candidates_;
};

}  // namespace llmtap
