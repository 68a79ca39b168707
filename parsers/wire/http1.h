// SPDX-License-Identifier: Apache-2.0
//
// Both directions of one HTTP/1 connection (RFC 9112): pairs each response with its request.
//
// Which direction carries requests is found from the first start line. Responses answer requests in
// their order (9.3.2); a client that is not known to pipeline sends a request only when the last
// answer is over, so that
//   - a request that comes while the response direction is searching ends what was open;
//   - when response bytes are lost between two messages, they were the answer to the oldest open
//     request: it ends, and the next head belongs to the newest one, if that is another;
//   - when request bytes are lost between two messages, the next request is the one after, and
//     response bytes that turn out to be lost later may belong to those we never saw.
// Where response bytes were lost and a request is still open, its answer may be among them, and the
// next one another's whose request was lost too. Only the next request tells: if none was lost
// before it, the answer was right; else, or at the close, the exchange gets a gap. It ends then.
// Any other response that cannot be given to a request for sure is passed over, never guessed.
// A client that gives an answer up closes the connection. Where that is not seen the next one may have
// its name: if a chunk of the answer begins with a status line and a request came behind, it is that
// one's answer.
// If alignment is lost on a connection that does pipeline, pairing is lost too: it is dead.
// After a 101 to `websocket` a WebSocket decoder takes over; other tunnels are passed over.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "parsers/wire/decoder.h"
#include "parsers/wire/http1_half.h"
#include "parsers/wire/websocket.h"

namespace llmtap {

class Http1Decoder final : public Decoder, private Http1Half::Owner {
 public:
  static constexpr std::size_t kMaxPipelined = 256;

  Http1Decoder();

  void feed(Direction direction, std::string_view bytes, Stamp stamp, ExchangeSink& sink) override;
  void gap(Direction direction, std::uint64_t bytes, Stamp stamp, ExchangeSink& sink) override;
  void close(Stamp stamp, ExchangeSink& sink) override;
  bool dead() const override { return dead_; }
  std::size_t memory() const override;

  // The direction of requests, once a start line was seen: only then is it known to be HTTP/1.
  std::optional<Direction> requests() const { return requests_; }

 private:
  struct Open {
    StreamId id = 0;
    TimeNs end_ns = 0;  // of its first chunk
    bool head_method = false;     // HEAD: the answer has no body
    bool connect_method = false;
    bool expects_interim = false;  // Expect: 100-continue
    bool after_loss = false;       // what came right before it was lost or not understood
    bool answered = false;         // its response head was seen
    bool doubtful = false;         // its own answer may be among the lost bytes
  };

  bool accepts(Direction direction, StartLine kind) const override;
  Http1Half::Next head(Direction direction, StartLine kind, std::string_view text, bool whole,
                       Stamp stamp) override;
  void body(Direction direction, std::string_view bytes, Stamp stamp) override;
  void missing(Direction direction, std::uint64_t bytes) override;
  void trailers(Direction direction, std::string_view text) override;
  void done(Direction direction, Stamp stamp) override;
  void tunnel(Direction direction, std::string_view bytes, Stamp stamp) override;
  void lost_sync(Direction direction, bool in_message, Stamp stamp) override;
  void loss(LossReason reason, std::uint64_t bytes) override;

  Http1Half::Next request_head(Direction direction, std::string_view text, bool whole, Stamp stamp);
  Http1Half::Next response_head(std::string_view text, bool whole, Stamp stamp);
  Http1Half::Next switch_protocols(ResponseHead&& head, Stamp stamp);
  bool given_up(Direction direction, std::string_view bytes) const;
  void responses_lost(bool in_message, Stamp stamp);
  void end_oldest(End end, Stamp stamp);
  void end_all_but(std::size_t count, End end, Stamp stamp);
  void settle_doubt(bool wrong);
  void die(Stamp stamp);
  Http1Half& half(Direction direction) { return halves_[static_cast<std::size_t>(direction)]; }
  Side side(Direction direction) const {
    return direction == requests_ ? Side::kRequest : Side::kResponse;
  }
  // Which exchange a body byte of this direction belongs to; 0: none.
  StreamId current(Direction direction) const;

  Http1Half halves_[2];
  std::optional<Direction> requests_;
  std::vector<Open> open_;       // oldest first
  StreamId next_id_ = 1;
  StreamId sending_ = 0;         // whose request is under way
  StreamId answering_ = 0;       // whose response is under way
  bool pipelines_ = false;       // proven, not explained by lost responses
  bool response_hurt_ = false;   // bytes of the current response were lost
  bool requests_lost_ = false;   // alignment of requests was lost since the last one
  bool dead_ = false;
  StreamId doubtful_ = 0;        // answered, not ended: the next request tells; 0: none
  Stamp doubtful_stamp_;         // when its answer was whole
  std::unique_ptr<WebSocketStream> socket_;  // after an upgrade; its exchange is the only open one
  ExchangeSink* sink_ = nullptr;     // during feed, gap and close
};

}  // namespace llmtap
