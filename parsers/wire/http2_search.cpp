// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/http2_search.h"

#include <algorithm>

namespace llmtap {

bool FrameSearch::find() {
  for (; scan_ + FrameHeader::kSize <= window_.size(); ++scan_) {
    if (!try_header()) continue;
    window_.pass_over(start_);
    return true;
  }
  trim();
  return false;
}

bool FrameSearch::try_header() {
  const auto bytes = window_.bytes().substr(scan_, FrameHeader::kSize);
  // Cheap refusal of nearly everything: lengths up to 16384 and the ten known types.
  if (static_cast<std::uint8_t>(bytes[0]) != 0 || static_cast<std::uint8_t>(bytes[3]) > 9) {
    return false;
  }
  const FrameHeader header = parse_frame_header(bytes);
  if (!is_plausible(header, bytes)) return false;
  for (const Candidate& candidate : candidates_) {
    if (candidate.next != scan_ || !may_follow(candidate.header, header)) continue;
    start_ = candidate.start;
    return true;
  }
  if (header.type == FrameType::kContinuation) return false;
  if (candidates_.size() == kMaxCandidates) expire();
  if (candidates_.size() < kMaxCandidates) {
    candidates_.push_back({header, scan_, scan_ + FrameHeader::kSize + header.length});
  }
  return false;
}

void FrameSearch::resume(std::size_t size) {
  scan_ = start_ + size;
  window_.consume(scan_);
  candidates_.clear();
}

void FrameSearch::clear() {
  window_.clear();
  candidates_ = std::vector<Candidate>();
  scan_ = start_ = 0;
}

void FrameSearch::expire() {
  std::erase_if(candidates_, [&](const Candidate& c) { return c.next < scan_; });
}

void FrameSearch::trim() {
  expire();
  std::size_t first = scan_;
  for (const Candidate& candidate : candidates_) first = std::min(first, candidate.start);
  const std::size_t moved = window_.trim(first);
  scan_ -= moved;
  for (Candidate& candidate : candidates_) {
    candidate.start -= moved;
    candidate.next -= moved;
  }
}

}  // namespace llmtap
