// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/websocket_search.h"

#include <algorithm>
#include <string>
#include <utility>

namespace llmtap {
namespace {

bool blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

}  // namespace

bool WebSocketSearch::find() {
  while (end_ <= window_.size()) {
    const bool proven = step();
    ++end_;
    if (!proven) continue;
    window_.pass_over(start_);
    return true;
  }
  trim();
  return false;
}

// The window as if it had `end_` bytes.
bool WebSocketSearch::step() {
  for (Candidate& candidate : candidates_) {
    if (candidate.next == end_ && frame_over(candidate)) return true;
  }
  if (end_ < first_ + kLook) return false;
  const std::size_t at = end_ - kLook;
  WebSocketHeader header;
  return parse_websocket_header(window_.bytes().substr(at, kLook), header) == HeaderParse::kOk &&
         try_header(at, header);
}

// Is the first frame of the candidate, which is all there, a JSON object?
bool WebSocketSearch::frame_over(Candidate& candidate) {
  if (!std::exchange(candidate.json, false) || !is_json(candidate)) return false;
  start_ = candidate.start;
  return true;
}

bool WebSocketSearch::try_header(std::size_t at, const WebSocketHeader& header) {
  const bool data = header.opcode == Opcode::kText || header.opcode == Opcode::kBinary;
  const std::uint64_t size = header.size + header.length;
  if (header.masked != masked_ || size > kMaxSpan ||
      !(header.is_control() || (data && header.fin))) {
    return false;
  }
  const bool plain_text = header.opcode == Opcode::kText && !header.compressed;
  const bool json = plain_text && begins_json(at, header);
  if (plain_text && !json) return false;
  const std::size_t next = at + static_cast<std::size_t>(size);
  for (Candidate& candidate : candidates_) {
    if (candidate.next != at) continue;
    start_ = candidate.start;
    if (++candidate.run == kRun) return true;
    if (next - candidate.start <= kMaxSpan) candidate.next = next;
  }
  std::erase_if(candidates_, [&](const Candidate& c) { return c.next <= at; });
  if (candidates_.size() == kMaxCandidates) return false;
  candidates_.push_back({at, next, 1, json, header.key, at + header.size});
  return next <= end_ && frame_over(candidates_.back());
}

bool WebSocketSearch::begins_json(std::size_t at, const WebSocketHeader& header) const {
  if (header.length < kPeek) return false;
  std::string text;
  append_unmasked(window_.bytes().substr(at + header.size, kPeek), header.key, 0, text);
  return text[0] == '{' && (text[1] == '"' || text[1] == '}' || blank(text[1]));
}

bool WebSocketSearch::is_json(const Candidate& candidate) const {
  std::string text;
  append_unmasked(window_.bytes().substr(candidate.payload, candidate.next - candidate.payload),
                  candidate.key, 0, text);
  while (!text.empty() && blank(text.back())) text.pop_back();
  return text.ends_with('}') && std::all_of(text.begin(), text.end(), [](char c) {
           return static_cast<unsigned char>(c) >= 0x20 || blank(c);
         });
}

void WebSocketSearch::resume(std::size_t size) {
  end_ = first_ = start_ + size;
  window_.consume(first_);
  candidates_.clear();
}

void WebSocketSearch::clear() {
  window_.clear();
  candidates_ = std::vector<Candidate>();
  end_ = first_ = start_ = 0;
}

void WebSocketSearch::trim() {
  first_ = std::max(first_, end_ - std::min(end_, kLook));  // where the next header may be
  std::erase_if(candidates_, [&](const Candidate& c) { return c.next < first_; });
  std::size_t needed = first_;
  for (const Candidate& candidate : candidates_) needed = std::min(needed, candidate.start);
  const std::size_t moved = window_.trim(needed);
  first_ -= moved;
  end_ -= moved;
  for (Candidate& candidate : candidates_) {
    candidate.start -= moved;
    candidate.next -= moved;
    candidate.payload -= moved;
  }
}

}  // namespace llmtap
