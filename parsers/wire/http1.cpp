// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/http1.h"

#include <utility>

namespace llmtap {

using Next = Http1Half::Next;

Http1Decoder::Http1Decoder()
    : halves_{Http1Half(Direction::kWrite), Http1Half(Direction::kRead)} {}

void Http1Decoder::feed(Direction direction, std::string_view bytes, Stamp stamp,
                        ExchangeSink& sink) {
  sink_ = &sink;
  if (dead_) return loss(LossReason::kUnknownContext, bytes.size());
  if (given_up(direction, bytes)) {
    half(direction).resync();
    loss(LossReason::kUnknownContext, 0);  // found by where a chunk begins, not followed
    end_oldest(End::kCancelled, stamp);
  }
  half(direction).feed(bytes, stamp, *this);
}

// The answer under way will not go on: another begins, for a request that came behind it.
bool Http1Decoder::given_up(Direction direction, std::string_view bytes) const {
  if (!requests_ || direction == *requests_ || pipelines_ || open_.size() < 2) return false;
  const Http1Half& answers = halves_[static_cast<std::size_t>(direction)];
  return answering_ != 0 && answers.in_message() && !answers.searching() &&
         classify_start_line(bytes) == StartLine::kResponse;
}

void Http1Decoder::gap(Direction direction, std::uint64_t bytes, Stamp stamp, ExchangeSink& sink) {
  sink_ = &sink;
  if (dead_) return;
  Http1Half& hurt = half(direction);
  if (hurt.in_tunnel()) {
    if (socket_) socket_->gap(side(direction), bytes, stamp, sink);
    return;
  }
  hurt.gap(bytes, stamp, *this);
  // A chunk that is found now could be one of the next answer's.
  if (requests_ && direction != *requests_ && hurt.searching() && hurt.in_message() &&
      open_.size() > 1) {
    hurt.resync();
    responses_lost(true, stamp);
  }
}

void Http1Decoder::close(Stamp stamp, ExchangeSink& sink) {
  sink_ = &sink;
  for (Http1Half& each : halves_) each.close(stamp, *this);
  settle_doubt(true);
  end_all_but(0, socket_ ? socket_->end() : End::kTruncated, stamp);
  socket_.reset();
}

std::size_t Http1Decoder::memory() const {
  return sizeof(*this) + halves_[0].memory() + halves_[1].memory() +
         open_.capacity() * sizeof(Open) + (socket_ ? socket_->memory() : 0);
}

bool Http1Decoder::accepts(Direction direction, StartLine kind) const {
  return !requests_ || (direction == *requests_) == (kind == StartLine::kRequest);
}

Next Http1Decoder::head(Direction direction, StartLine kind, std::string_view text, bool whole,
                        Stamp stamp) {
  if (!accepts(direction, kind)) return {Next::Kind::kReject, {}};
  if (!requests_) requests_ = kind == StartLine::kRequest ? direction : opposite(direction);
  return kind == StartLine::kRequest ? request_head(direction, text, whole, stamp)
                                     : response_head(text, whole, stamp);
}

Next Http1Decoder::request_head(Direction direction, std::string_view text, bool whole,
                                Stamp stamp) {
  RequestHead head;
  if (!parse_request_head(text, head)) return {Next::Kind::kReject, {}};
  head.partial = head.partial || !whole;
  settle_doubt(requests_lost_);
  Http1Half& responses = half(opposite(direction));
  const bool searching = responses.searching();
  if (searching) {
    end_all_but(0, End::kGap, stamp);
    if (responses.in_message()) responses.resync();
  } else if (responses.in_message() && answering_ == 0) {
    responses.resync();  // an answer that nobody asked for cannot outlive the next request
  }
  if (open_.size() >= kMaxPipelined) {
    die(stamp);
    return {Next::Kind::kTunnel, {}};
  }
  // Two in one chunk: no loss explains that.
  if (!open_.empty() && open_.back().end_ns == stamp.end_ns) pipelines_ = true;
  Open open;
  open.id = next_id_++;
  open.end_ns = stamp.end_ns;
  open.head_method = head.method == "HEAD";
  open.connect_method = head.method == "CONNECT";
  open.expects_interim = find_header(head.headers, "expect").has_value();
  open.after_loss = std::exchange(requests_lost_, false) || searching;
  open_.push_back(open);
  sending_ = open.id;
  const BodyFraming framing = request_framing(head.headers);
  sink_->request(open.id, std::move(head), direction, stamp);
  return {Next::Kind::kBody, framing};
}

Next Http1Decoder::response_head(std::string_view text, bool whole, Stamp stamp) {
  ResponseHead head;
  if (!parse_response_head(text, head)) return {Next::Kind::kReject, {}};
  head.partial = head.partial || !whole;
  if (head.status < 200 && head.status != 101) return {Next::Kind::kSilent, {}};
  BodyFraming framing = response_framing(head.status, head.headers);
  response_hurt_ = false;
  // An answer to a request whose head is not over: its end was lost.
  if (open_.empty()) half(*requests_).cut_head(stamp, *this);
  if (open_.empty()) settle_doubt(true);  // this one answers nobody: neither may have that one
  answering_ = open_.empty() ? 0 : open_.front().id;
  if (answering_ == 0) {
    if (head.status != 101) return {Next::Kind::kBody, framing};
    loss(LossReason::kUnknownContext, 0);  // a tunnel of whom? It is passed over
    half(*requests_).enter_tunnel(*this);
    return {Next::Kind::kTunnel, {}};
  }
  Open& open = open_.front();
  open.answered = true;
  if (head.status == 101 || (open.connect_method && head.status < 300)) {
    return switch_protocols(std::move(head), stamp);
  }
  if (open.head_method) framing = {};
  sink_->response(open.id, std::move(head), stamp);
  return {Next::Kind::kBody, framing};
}

// RFC 9110 7.8, 9.3.6. The exchange goes on only if we understand what follows.
Next Http1Decoder::switch_protocols(ResponseHead&& head, Stamp stamp) {
  half(*requests_).enter_tunnel(*this);
  if (head.status == 101 && has_token(head.headers, "upgrade", "websocket")) {
    socket_ = std::make_unique<WebSocketStream>(answering_, &head.headers);
  }
  sink_->response(answering_, std::move(head), stamp);
  if (!socket_) end_all_but(0, End::kComplete, stamp);
  return {Next::Kind::kTunnel, {}};
}

StreamId Http1Decoder::current(Direction direction) const {
  return direction == requests_ ? sending_ : answering_;
}

void Http1Decoder::body(Direction direction, std::string_view bytes, Stamp stamp) {
  if (const StreamId id = current(direction)) sink_->body(id, side(direction), bytes, stamp);
}

void Http1Decoder::missing(Direction direction, std::uint64_t bytes) {
  if (direction != requests_) response_hurt_ = true;
  if (const StreamId id = current(direction)) sink_->gap(id, side(direction), bytes);
}

void Http1Decoder::trailers(Direction direction, std::string_view text) {
  const StreamId id = current(direction);
  Headers trailers;
  if (id != 0) parse_trailers(text, trailers);
  if (!trailers.empty()) sink_->trailers(id, side(direction), std::move(trailers));
}

void Http1Decoder::done(Direction direction, Stamp stamp) {
  const StreamId id = current(direction);
  if (direction == requests_) {
    sending_ = 0;
  } else {
    answering_ = 0;
  }
  if (id == 0) return;
  sink_->finish(id, side(direction), stamp);
  if (direction == requests_) return;
  if (open_.size() > 1 && !response_hurt_) pipelines_ = true;
  if (open_.size() == 1 && open_.front().doubtful) {
    doubtful_ = id;
    doubtful_stamp_ = stamp;
    open_.clear();
    return;
  }
  end_oldest(End::kComplete, stamp);
}

// Ends the exchange whose answer was uncertain; `wrong`: there is no saying whose answer it was.
void Http1Decoder::settle_doubt(bool wrong) {
  const StreamId id = std::exchange(doubtful_, 0);
  if (id == 0) return;
  if (sending_ == id) sending_ = 0;
  if (wrong) sink_->gap(id, Side::kResponse, 0);
  sink_->end(id, End::kComplete, doubtful_stamp_);
}

void Http1Decoder::tunnel(Direction direction, std::string_view bytes, Stamp stamp) {
  if (socket_) socket_->feed(side(direction), bytes, stamp, *sink_);
  if (dead_) loss(LossReason::kUnknownContext, bytes.size());
}

void Http1Decoder::lost_sync(Direction direction, bool in_message, Stamp stamp) {
  if (requests_ && direction != *requests_) return responses_lost(in_message, stamp);
  requests_lost_ = true;
  sending_ = 0;
}

void Http1Decoder::responses_lost(bool in_message, Stamp stamp) {
  if (open_.empty()) {
    answering_ = 0;
    return;
  }
  if (pipelines_) return die(stamp);
  answering_ = 0;
  if (open_.size() > 1) {
    end_all_but(1, End::kGap, stamp);
    open_.front().doubtful = true;
    return;
  }
  const Open& oldest = open_.front();
  if (in_message ? oldest.answered : !oldest.after_loss && !oldest.expects_interim) {
    return end_oldest(End::kGap, stamp);
  }
  open_.front().doubtful = true;
}

void Http1Decoder::end_oldest(End end, Stamp stamp) {
  const StreamId id = open_.front().id;
  open_.erase(open_.begin());
  if (sending_ == id) sending_ = 0;
  if (answering_ == id) answering_ = 0;
  sink_->end(id, end, stamp);
}

void Http1Decoder::end_all_but(std::size_t count, End end, Stamp stamp) {
  while (open_.size() > count) end_oldest(end, stamp);
}

void Http1Decoder::die(Stamp stamp) {
  dead_ = true;
  settle_doubt(true);
  for (Http1Half& each : halves_) each.enter_tunnel(*this);
  loss(LossReason::kUnknownContext, 0);
  end_all_but(0, End::kGap, stamp);
}

void Http1Decoder::loss(LossReason reason, std::uint64_t bytes) { sink_->loss(reason, bytes); }

}  // namespace llmtap
