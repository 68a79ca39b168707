// SPDX-License-Identifier: Apache-2.0
//
// Both directions of one HTTP/2 connection (RFC 9113), as an observer sees them: streams become
// exchanges; flow control, PING and priorities are passed over; server push is refused.
//
// Which direction is the client's: the one that begins with the preface, else the one whose HEADERS
// carry request pseudo fields (the other's carry :status).
//
// Joined late, or after bytes were lost (see http2_reader.h for alignment, hpack.h for headers):
//   - a request whose head has unknown fields, or was lost, is reported with what is known and
//     `partial` (possibly without method and path: the body must name the call);
//   - a response with its head, for a request that we cannot have seen, is reported behind an
//     empty partial request with an unknown gap;
//   - request DATA without its head, when the stream began while bytes were lost, likewise;
//   - any other DATA of a stream that was never reported is passed over and counted;
//   - lost frames may belong to any stream: every one still open on that side gets a gap of an
//     unknown number. Inside a DATA payload the gap is that stream's alone.
// Response DATA whose HEADERS were lost follow an unknown head (status 0) and a gap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "parsers/wire/decoder.h"
#include "parsers/wire/hpack.h"
#include "parsers/wire/http2_reader.h"

namespace llmtap {

class Http2Head;
class WebSocketStream;

class Http2Decoder final : public Decoder, private FrameEvents {
 public:
  static constexpr std::size_t kMaxStreams = 16 * 1024;  // open at once; then the oldest is evicted

  Http2Decoder();
  ~Http2Decoder() override;

  void feed(Direction direction, std::string_view bytes, Stamp stamp, ExchangeSink& sink) override;
  void gap(Direction direction, std::uint64_t bytes, Stamp stamp, ExchangeSink& sink) override;
  void close(Stamp stamp, ExchangeSink& sink) override;
  bool dead() const override { return dead_; }
  std::size_t memory() const override;

  std::size_t open_streams() const { return streams_.size(); }

 private:
  struct Half {
    FrameReader reader;
    HpackDecoder hpack;
  };
  struct Stream {
    bool asks_websocket = false;
    bool response_started = false;
    bool over[2] = {false, false};          // by Side: END_STREAM was seen
    bool hurt[2] = {false, false};          // by Side: frames may have been lost
    std::uint32_t seen_losses[2] = {0, 0};  // by Side: of losses_, those that were reported
    std::unique_ptr<WebSocketStream> socket;
  };
  using Streams = std::map<std::uint32_t, Stream>;

  void preface() override;
  bool block(const FrameHeader& header, std::string_view block, bool lost) override;
  void data(std::uint32_t stream, std::string_view bytes) override;
  void data_lost(std::uint32_t stream, std::uint64_t bytes) override;
  void data_end(const FrameHeader& header) override;
  void control(const FrameHeader& header, std::string_view payload) override;
  void over_limit(std::uint64_t bytes) override;
  void unaligned() override;
  void violated() override;
  void skipped(std::uint64_t bytes) override;

  void request_block(const FrameHeader& header, Http2Head& head, bool lost);
  void response_block(const FrameHeader& header, Http2Head& head);
  Stream& open(std::uint32_t id, Http2Head& head);
  Stream& open_unseen(std::uint32_t id);
  void start_response(std::uint32_t id, Stream& stream, Http2Head& head);
  void feed_socket(Stream& stream, Side side, std::string_view bytes, std::uint64_t lost);
  void side_over(std::uint32_t id, Stream& stream, Side side);
  void report_losses(std::uint32_t id, Stream& stream, Side side);
  void settings(std::string_view payload);
  void goaway(std::string_view payload);
  void end(std::uint32_t id, End end);
  void end_all();
  static End end_of(const Stream& stream);

  Stream* find(std::uint32_t id);
  bool unseen(std::uint32_t id) const;
  Side side() const { return now_.direction == client_ ? Side::kRequest : Side::kResponse; }
  std::uint32_t losses(Side side) const {
    return losses_[(side == Side::kRequest) == (client_ == Direction::kWrite) ? 0 : 1];
  }
  Half& half(Direction direction) { return halves_[static_cast<std::size_t>(direction)]; }

  // Valid during feed, gap and close.
  struct Now {
    Direction direction = Direction::kWrite;
    Stamp stamp;
    ExchangeSink* sink = nullptr;
  };

  Half halves_[2];
  Streams streams_;
  std::optional<Direction> client_;
  Now now_;
  std::uint32_t highest_ = 0;  // stream that the client opened
  // Streams in (lost_after_, seen_from_) began where we did not see the client's bytes.
  std::uint32_t lost_after_ = 0;
  std::uint32_t seen_from_ = UINT32_MAX;
  // By Direction: how often alignment was lost. Streams learn of it when they are touched, so that
  // a loss costs the same however many are open.
  std::uint32_t losses_[2] = {0, 0};
  std::size_t socket_memory_ = 0;
  bool dead_ = false;
};

}  // namespace llmtap
