// SPDX-License-Identifier: Apache-2.0
//
// A whole connection that is a WebSocket and was joined after its handshake: one exchange with
// unknown heads that carries the messages of both sides.
#pragma once

#include <optional>
#include <string_view>

#include "parsers/wire/decoder.h"
#include "parsers/wire/websocket.h"

namespace llmtap {

// Whose frame these bytes begin with, if it is a text message that begins like a JSON object: a
// masked one is the client's. Enough to choose a decoder, since no other wire format that we know
// begins a piece like that.
std::optional<Side> looks_like_websocket(std::string_view first_bytes);

// The exchange begins (partial, without method and path; status unknown) with the first message.
class WebSocketDecoder final : public Decoder, private ExchangeSink {
 public:
  explicit WebSocketDecoder(Direction client) : client_(client), stream_(kStream, nullptr) {}

  void feed(Direction direction, std::string_view bytes, Stamp stamp, ExchangeSink& sink) override;
  void gap(Direction direction, std::uint64_t bytes, Stamp stamp, ExchangeSink& sink) override;
  void close(Stamp stamp, ExchangeSink& sink) override;
  bool dead() const override { return stream_.dead(); }
  std::size_t memory() const override { return sizeof *this + stream_.memory(); }

 private:
  static constexpr StreamId kStream = 1;

  void request(StreamId, RequestHead&&, Direction, Stamp) override {}
  void response(StreamId, ResponseHead&&, Stamp) override {}
  void body(StreamId, Side, std::string_view, Stamp) override {}
  void finish(StreamId, Side, Stamp) override {}
  void end(StreamId, End, Stamp) override {}
  void gap(StreamId stream, Side side, std::uint64_t bytes) override;
  void message(StreamId stream, Side side, std::string_view payload, bool text,
               Stamp stamp) override;
  void loss(LossReason reason, std::uint64_t bytes) override { sink_->loss(reason, bytes); }

  Side side(Direction direction) const {
    return direction == client_ ? Side::kRequest : Side::kResponse;
  }

  Direction client_;
  bool open_ = false;
  WebSocketStream stream_;
  ExchangeSink* sink_ = nullptr;  // during feed, gap and close
};

}  // namespace llmtap
