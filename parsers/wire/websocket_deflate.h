// SPDX-License-Identifier: Apache-2.0
//
// permessage-deflate (RFC 7692): what a handshake negotiated, and one direction's decompression.
//
// The window between two messages is kept as plain history, not as a live zlib stream: 40 KB for
// each direction of each socket would be too much for many idle ones. A message begins with a fresh
// inflater that is given the history as a stored block.
//
// Unknown history (joined late, or a message was lost): a message is tried all the same. If it
// refers to what we never saw, it is refused; if it does not, it is right. So nothing has to be
// known about context takeover, and a direction recovers as early as its sender allows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "parsers/core/exchange.h"
#include "parsers/core/inflate.h"

namespace llmtap {

struct DeflateTerms {  // of one direction
  bool keeps_context = true;
  std::size_t window = 32 * 1024;
};

struct DeflateOffer {
  DeflateTerms client;
  DeflateTerms server;
};

// From the Sec-WebSocket-Extensions of a 101. Absent: messages are not compressed.
std::optional<DeflateOffer> negotiated_deflate(const Headers& response);

class MessageInflater {
 public:
  explicit MessageInflater(DeflateTerms terms) : terms_(terms) {}

  // One message: begin, any number of feeds, finish. Output is appended to `out`; false: the
  // message cannot be had, or would make `out` longer than `limit`.
  bool begin(std::size_t limit);
  bool feed(std::string_view bytes, std::string& out);
  bool finish(std::string& out);
  // The message was not decoded: what the sender's window holds is unknown from here.
  void lose();

  bool over_limit() const { return over_limit_; }
  std::size_t memory() const { return history_.capacity() + (inflater_ ? inflater_->memory() : 0); }

 private:
  DeflateTerms terms_;
  bool over_limit_ = false;
  std::size_t limit_ = 0;
  std::string history_;  // the last output, as much as the window holds
  std::unique_ptr<Inflater> inflater_;
};

}  // namespace llmtap
