// SPDX-License-Identifier: Apache-2.0
//
// Finds where WebSocket frames begin among bytes of unknown alignment. A header is only two bytes,
// so it proves little. Accepted is the first of
//   - one whole text frame whose unmasked payload is a JSON object (what every LLM API sends);
//   - kRun plausible headers in a row.
// As in http2_search.h, candidates are tried side by side and the one that is proven first wins: a
// frame is over when its last byte is there, a header is looked at when kLook bytes are.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "parsers/wire/search_window.h"
#include "parsers/wire/websocket_frame.h"

namespace llmtap {

class WebSocketSearch {
 public:
  static constexpr std::size_t kRun = 4;
  static constexpr std::size_t kPeek = 2;  // payload bytes that must look right too
  static constexpr std::size_t kLook = WebSocketHeader::kMaxSize + kPeek;
  static constexpr std::size_t kMaxCandidates = 16;
  static constexpr std::size_t kMaxSpan = 64 * 1024;  // of one candidate, all its frames

  explicit WebSocketSearch(bool masked) : masked_(masked) {}

  void append(std::string_view bytes) { window_.append(bytes); }
  bool find();
  std::string_view found() const { return window_.bytes().substr(start_); }
  // The first `size` bytes of found() are dealt with; the search goes on behind them.
  void resume(std::size_t size);
  void clear();
  std::uint64_t take_skipped() { return window_.take_skipped(); }
  std::size_t memory() const { return window_.memory(); }

 private:
  struct Candidate {
    std::size_t start = 0;
    std::size_t next = 0;  // where the header behind its last frame must be
    std::size_t run = 1;
    bool json = false;  // its first frame may be a JSON object
    std::array<std::uint8_t, 4> key{};
    std::size_t payload = 0;  // where that frame's payload begins
  };

  bool step();
  bool frame_over(Candidate& candidate);
  bool try_header(std::size_t at, const WebSocketHeader& header);
  bool begins_json(std::size_t at, const WebSocketHeader& header) const;
  bool is_json(const Candidate& candidate) const;
  void trim();

  bool masked_;
  SearchWindow window_;
  std::size_t end_ = 0;    // bytes of the window that were looked at so far
  std::size_t first_ = 0;  // no frame begins before it
  std::size_t start_ = 0;  // of what was found
  std::vector<Candidate> candidates_;
};

}  // namespace llmtap
