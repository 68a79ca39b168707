// SPDX-License-Identifier: Apache-2.0
//
// One side of a WebSocket: ordered bytes in, messages out.
//
//   kHeader ──header──→ kPayload ──last byte──→ kHeader        (fragments are joined at FIN)
//   a violation: kDead if every byte was seen since the handshake, else kSearch
//   joined late, or bytes lost outside a payload: kSearch ──→ kHeader   (see websocket_search.h)
//
// Bytes lost inside a payload cost that message only. Every message that cannot be had (lost,
// too long, compressed with unknown context) is reported as a gap of the stream and counted; the
// framing goes on behind it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "parsers/wire/decoder.h"
#include "parsers/wire/websocket_deflate.h"
#include "parsers/wire/websocket_frame.h"
#include "parsers/wire/websocket_search.h"

namespace llmtap {

class WebSocketHalf {
 public:
  static constexpr std::size_t kMaxMessage = 16 * 1024 * 1024;  // inflated; a longer one is dropped

  // `deflate`: what this side may use; absent: nothing is compressed. `late`: joined late.
  WebSocketHalf(StreamId stream, Side side, std::optional<DeflateTerms> deflate, bool late);

  void feed(std::string_view bytes, Stamp stamp, ExchangeSink& sink);
  void gap(std::uint64_t bytes, ExchangeSink& sink);

  bool closed() const { return closed_; }  // a Close was seen
  bool dead() const { return state_ == State::kDead; }
  std::size_t memory() const;

 private:
  enum class State : std::uint8_t { kHeader, kPayload, kSearch, kDead };

  void step(std::string_view& bytes, Stamp stamp, ExchangeSink& sink);
  void header(std::string_view& bytes, Stamp stamp, ExchangeSink& sink);
  bool acceptable() const;
  void begin_frame(Stamp stamp, ExchangeSink& sink);
  void begin_data();
  void payload(std::string_view& bytes, Stamp stamp, ExchangeSink& sink);
  void data(std::string_view bytes);
  bool inflate(std::string_view bytes, std::uint64_t offset);
  void end_frame(Stamp stamp, ExchangeSink& sink);
  void end_message(Stamp stamp, ExchangeSink& sink);
  void search(std::string_view& bytes, Stamp stamp, ExchangeSink& sink);

  void drop(LossReason reason);
  void violation(ExchangeSink& sink);
  void lose_alignment();
  LossReason inflate_loss() const;

  StreamId stream_;
  Side side_;
  State state_ = State::kHeader;
  bool exact_;  // every byte since the handshake was seen
  bool closed_ = false;
  bool in_message_ = false;  // a data frame was not the last of its message
  bool text_ = true;
  bool compressed_ = false;
  bool known_context_;       // the sender's window is what we think it is
  std::uint8_t filled_ = 0;  // bytes in bytes_
  std::uint8_t unread_ = 0;  // how many of them a search must look at again
  std::array<char, WebSocketHeader::kMaxSize> bytes_{};  // a header that is not whole yet
  WebSocketHeader frame_;
  std::uint64_t left_ = 0;             // payload bytes still to come
  std::uint64_t wire_size_ = 0;        // of the current message so far
  std::optional<LossReason> dropped_;  // why the current message cannot be had
  std::string message_;
  std::unique_ptr<MessageInflater> inflater_;
  std::unique_ptr<WebSocketSearch> search_;
};

}  // namespace llmtap
