// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/websocket_deflate.h"

#include <algorithm>

namespace llmtap {
namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Takes what comes before the next `separator` out of `text`.
std::string_view next_part(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return trim(part);
}

// RFC 7692 7.1.2: 8 to 15 bits. What is not understood leaves the largest window, which is right
// for any sender.
void read_window(std::string_view value, DeflateTerms& terms) {
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
    value = value.substr(1, value.size() - 2);
  }
  std::size_t bits = 0;
  for (const char c : value.substr(0, 2)) bits = bits * 10 + static_cast<std::size_t>(c - '0');
  if (value.size() <= 2 && bits >= 8 && bits <= 15) terms.window = std::size_t{1} << bits;
}

// RFC 1951 3.2.4: a stored block that is not the last. The history is shorter than its limit.
std::string stored_block(std::string_view history) {
  const auto size = static_cast<std::uint16_t>(history.size());
  const auto inverse = static_cast<std::uint16_t>(~size);
  std::string block = {0, static_cast<char>(size), static_cast<char>(size >> 8),
                       static_cast<char>(inverse), static_cast<char>(inverse >> 8)};
  return block.append(history);
}

}  // namespace

std::optional<DeflateOffer> negotiated_deflate(const Headers& response) {
  for (const auto& header : response) {
    if (header.name != "sec-websocket-extensions") continue;
    for (std::string_view list = header.value; !list.empty();) {
      std::string_view extension = next_part(list, ',');
      if (next_part(extension, ';') != "permessage-deflate") continue;
      DeflateOffer offer;
      while (!extension.empty()) {
        std::string_view value = next_part(extension, ';');
        const std::string_view name = next_part(value, '=');
        if (name == "client_no_context_takeover") offer.client.keeps_context = false;
        if (name == "server_no_context_takeover") offer.server.keeps_context = false;
        if (name == "client_max_window_bits") read_window(trim(value), offer.client);
        if (name == "server_max_window_bits") read_window(trim(value), offer.server);
      }
      return offer;
    }
  }
  return std::nullopt;
}

bool MessageInflater::begin(std::size_t limit) {
  limit_ = limit;
  over_limit_ = false;
  InflateLimits limits;
  limits.max_output = limit + terms_.window;
  limits.free_output = limits.max_output;  // the message limit is the guard
  inflater_ = make_inflater(Coding::kRawDeflate, limits);
  if (history_.empty()) return true;
  const auto status = inflater_->feed(stored_block(history_), [](std::string_view) {});
  return status == InflateStatus::kMore;
}

bool MessageInflater::feed(std::string_view bytes, std::string& out) {
  const auto status = inflater_->feed(bytes, [&](std::string_view part) {
    if (over_limit_ || part.size() > limit_ - out.size()) {
      over_limit_ = true;
    } else {
      out.append(part);
    }
  });
  if (status == InflateStatus::kBomb) over_limit_ = true;
  return !over_limit_ && status != InflateStatus::kCorrupt;
}

// RFC 7692 7.2.2: the sender took these four bytes off the end.
bool MessageInflater::finish(std::string& out) {
  if (!feed(std::string_view("\x00\x00\xff\xff", 4), out)) return false;
  inflater_.reset();
  if (!terms_.keeps_context) return true;
  const std::string_view tail =
      std::string_view(out).substr(out.size() - std::min(out.size(), terms_.window));
  const std::size_t kept = std::min(history_.size(), terms_.window - tail.size());
  history_.erase(0, history_.size() - kept);
  history_.append(tail);
  return true;
}

void MessageInflater::lose() {
  inflater_.reset();
  history_ = std::string();
}

}  // namespace llmtap
