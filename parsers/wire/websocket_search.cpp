// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/websocket_search.h"

#include <algorithm>
#include <string>

namespace llmtap {
namespace {

constexpr std::size_t kPeek = 2;  // payload bytes that must look right before a frame is followed

bool blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

}  // namespace

bool WebSocketSearch::find() {
  for (;; ++scan_) {
    bool proven = frame_over();
    if (!proven) {
      WebSocketHeader header;
      const auto bytes = window_.bytes().substr(scan_, WebSocketHeader::kMaxSize + kPeek);
      const HeaderParse parse = parse_websocket_header(bytes, header);
      const std::size_t peek = std::min<std::uint64_t>(header.length, kPeek);
      if (parse == HeaderParse::kNeedMore ||
          (parse == HeaderParse::kOk && bytes.size() < header.size + peek)) {
        trim();
        return false;
      }
      proven = parse == HeaderParse::kOk && try_header(header);
    }
    if (!proven) continue;
    window_.pass_over(start_);
    return true;
  }
}

// A candidate's first frame ends where the scan is: is it a JSON object?
bool WebSocketSearch::frame_over() {
  for (Candidate& candidate : candidates_) {
    if (candidate.next != scan_ || !candidate.json) continue;
    candidate.json = false;
    if (!is_json(candidate)) continue;
    start_ = candidate.start;
    return true;
  }
  return false;
}

bool WebSocketSearch::try_header(const WebSocketHeader& header) {
  const bool data = header.opcode == Opcode::kText || header.opcode == Opcode::kBinary;
  const std::uint64_t size = header.size + header.length;
  if (header.masked != masked_ || size > kMaxSpan ||
      !(header.is_control() || (data && header.fin))) {
    return false;
  }
  const bool plain_text = header.opcode == Opcode::kText && !header.compressed;
  const bool json = plain_text && begins_json(header);
  if (plain_text && !json) return false;
  const std::size_t next = scan_ + static_cast<std::size_t>(size);
  for (Candidate& candidate : candidates_) {
    if (candidate.next != scan_) continue;
    start_ = candidate.start;
    if (++candidate.run == kRun) return true;
    if (next - candidate.start <= kMaxSpan) candidate.next = next;
  }
  std::erase_if(candidates_, [&](const Candidate& c) { return c.next <= scan_; });
  if (candidates_.size() < kMaxCandidates) {
    candidates_.push_back({scan_, next, 1, json, header.key, scan_ + header.size});
  }
  return false;
}

bool WebSocketSearch::begins_json(const WebSocketHeader& header) const {
  if (header.length < kPeek) return false;
  std::string text;
  append_unmasked(window_.bytes().substr(scan_ + header.size, kPeek), header.key, 0, text);
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
  scan_ = start_ + size;
  window_.consume(scan_);
  candidates_.clear();
}

void WebSocketSearch::clear() {
  window_.clear();
  candidates_ = std::vector<Candidate>();
  scan_ = start_ = 0;
}

void WebSocketSearch::trim() {
  std::erase_if(candidates_, [&](const Candidate& c) { return c.next < scan_; });
  std::size_t first = scan_;
  for (const Candidate& candidate : candidates_) first = std::min(first, candidate.start);
  const std::size_t moved = window_.trim(first);
  scan_ -= moved;
  for (Candidate& candidate : candidates_) {
    candidate.start -= moved;
    candidate.next -= moved;
    candidate.payload -= moved;
  }
}

}  // namespace llmtap
