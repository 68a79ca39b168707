// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/http2_search.h"

#include <algorithm>
#include <utility>

namespace llmtap {

bool FrameSearch::find() {
  for (; scan_ + FrameHeader::kSize <= window_.size(); ++scan_) {
    if (!try_header()) continue;
    skipped_ += start_ - kept_;
    kept_ = start_;
    return true;
  }
  trim();
  return false;
}

bool FrameSearch::try_header() {
  const auto bytes = std::string_view(window_).substr(scan_, FrameHeader::kSize);
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
  kept_ = start_ + size;
  scan_ = kept_;
  candidates_.clear();
}

void FrameSearch::clear() {
  skipped_ += window_.size() - kept_;
  window_ = std::string();
  candidates_ = std::vector<Candidate>();
  kept_ = scan_ = start_ = 0;
}

std::uint64_t FrameSearch::take_skipped() { return std::exchange(skipped_, 0); }

void FrameSearch::expire() {
  std::erase_if(candidates_, [&](const Candidate& c) { return c.next < scan_; });
}

void FrameSearch::trim() {
  expire();
  std::size_t first = scan_;
  for (const Candidate& candidate : candidates_) first = std::min(first, candidate.start);
  skipped_ += first - kept_;
  kept_ = first;
  if (kept_ < window_.size() / 2) return;  // moving costs no more than was appended since
  window_.erase(0, kept_);
  scan_ -= kept_;
  for (Candidate& candidate : candidates_) {
    candidate.start -= kept_;
    candidate.next -= kept_;
  }
  kept_ = 0;
}

}  // namespace llmtap
