// SPDX-License-Identifier: Apache-2.0
#include "parsers/assembly/connection.h"

#include <algorithm>
#include <utility>

#include "parsers/assembly/connection_unknown.h"
#include "parsers/wire/detect.h"
#include "parsers/wire/http2_frame.h"

namespace llmtap {
namespace {

// Behind the peer's end no other bytes mean anything.
bool begins_connection(std::string_view bytes) {
  if (bytes.empty()) return false;
  const WireFormat format = detect_wire(bytes);
  return format == WireFormat::kHttp1 || format == WireFormat::kHttp2;
}

}  // namespace

// Adapts one direction's ordered bytes to the connection.
class Connection::Inlet final : public StreamSink {
 public:
  Inlet(Connection& connection, Direction direction)
      : connection_(connection), direction_(direction) {}

  void bytes(std::string_view bytes, TimeNs begin_ns, TimeNs end_ns) override {
    connection_.bytes(direction_, bytes, {begin_ns, end_ns});
  }
  void held(TimeNs end_ns) override { connection_.release_deferred_before(direction_, end_ns); }
  void hole(std::uint64_t count, TimeNs begin_ns, TimeNs end_ns, bool overflow) override {
    connection_.hole(direction_, count, {begin_ns, end_ns}, overflow);
  }
  void repeated(std::uint64_t count) override { connection_.context_.counts.repeated += count; }

 private:
  Connection& connection_;
  Direction direction_;
};

struct Connection::Exchange {
  Exchange(FoldContext& context, const ConnId& conn) : fold(context, conn) {}

  CallFold fold;
  PeerView peer;
  StreamHash hash;         // of method, path and request body
  bool hashable = true;    // nothing of the request was lost so far
  std::size_t bytes = 0;   // fold.memory() when last asked
};

struct Connection::Deferred {
  Chunk chunk;  // its `bytes` view is unused
  std::string bytes;
};

Connection::Connection(const ConnId& id, ConnectionContext& context)
    : id_(id), context_(context), unknown_(std::make_unique<Unknown>()) {}

Connection::~Connection() = default;

void Connection::feed(const Chunk& chunk) {
  if (!std::exchange(begun_, true) && chunk.offset > 0) {
    for (ByteStream& stream : streams_) stream.start_anywhere();
  }
  last_ns_ = std::max(last_ns_, chunk.end_ns);
  context_.counts.fed += chunk.bytes.size();
  if (closed_ && peer_ended_ && begins_connection(chunk.bytes)) {
    closed_ = false;
    begin_anew({chunk.begin_ns, chunk.end_ns});
  }
  if (closed_ || verdict_ == ConnVerdict::kIgnore) {
    context_.counts.skipped += chunk.bytes.size();
    return;
  }
  gave_up_ = false;
  const Direction other = opposite(chunk.direction);
  auto& ahead = streams_[static_cast<std::size_t>(other)];
  if (ahead.waiting()) {
    Inlet inlet(*this, other);
    ahead.expire(chunk.end_ns, inlet);
    if (!ahead.waiting()) release_deferred();
  }
  if (ahead.waiting()) {
    defer(chunk);
  } else {
    push(chunk);
    release_deferred();
  }
}

void Connection::push(const Chunk& chunk) {
  if (chunk.bytes.empty() && chunk.missing == 0) return peer_ended(chunk);
  Inlet inlet(*this, chunk.direction);
  const auto i = static_cast<std::size_t>(chunk.direction);
  const bool after_watch = after_watch_[i];
  const bool patient = verdict_ != ConnVerdict::kWatch && !after_watch && !gave_up_;
  streams_[i].push(chunk, patient, context_.limits.reorder_bytes, inlet);
  if (after_watch) after_watch_[i] = false;
}

void Connection::defer(const Chunk& chunk) {
  if (!deferred_) deferred_ = std::make_unique<std::deque<Deferred>>();
  deferred_->push_back({chunk, std::string(chunk.bytes)});
  deferred_->back().chunk.bytes = {};
  deferred_bytes_ += sizeof(Deferred) + chunk.bytes.size();
  if (deferred_bytes_ <= context_.limits.reorder_bytes) return;
  const Direction other = opposite(chunk.direction);
  Inlet inlet(*this, other);
  streams_[static_cast<std::size_t>(other)].give_up(inlet);
  release_deferred();
}

// All that is kept back is of the direction that did not wait.
void Connection::release_deferred() {
  if (!deferred_) return;
  const Direction direction = deferred_->front().chunk.direction;
  if (streams_[static_cast<std::size_t>(opposite(direction))].waiting()) return;
  const auto released = std::move(deferred_);
  deferred_bytes_ = 0;
  for (Deferred& each : *released) {
    each.chunk.bytes = each.bytes;
    push(each.chunk);
  }
}

// Bytes of `direction` that had waited behind a hole go on: what the other direction did before they
// moved comes first, or answers would stand before their requests.
void Connection::release_deferred_before(Direction direction, TimeNs end_ns) {
  while (deferred_ && deferred_->front().chunk.direction != direction &&
         deferred_->front().chunk.end_ns <= end_ns) {
    Deferred each = std::move(deferred_->front());
    deferred_->pop_front();
    deferred_bytes_ -= sizeof(Deferred) + each.bytes.size();
    if (deferred_->empty()) deferred_.reset();
    each.chunk.bytes = each.bytes;
    push(each.chunk);
  }
}

void Connection::advance(TimeNs now_ns) {
  gave_up_ = false;
  for (const Direction direction : {Direction::kWrite, Direction::kRead}) {
    Inlet inlet(*this, direction);
    streams_[static_cast<std::size_t>(direction)].expire(now_ns, inlet);
  }
  release_deferred();
}

void Connection::close(Cause cause, TimeNs now_ns) {
  if (closed_) return;
  do {  // what was kept back may have holes of its own
    for (const Direction direction : {Direction::kWrite, Direction::kRead}) {
      Inlet inlet(*this, direction);
      streams_[static_cast<std::size_t>(direction)].give_up(inlet);
      release_deferred();
    }
  } while (waiting());
  give_prefixes();
  closing_ = cause;
  closed_ = true;
  end_exchanges({now_ns, now_ns});
}

// The observed process learned that its peer will send no more. A client has then seen all.
void Connection::peer_ended(const Chunk& chunk) {
  if (chunk.direction != Direction::kRead) return;
  Inlet inlet(*this, chunk.direction);
  streams_[static_cast<std::size_t>(chunk.direction)].give_up(inlet);
  peer_ended_ = true;
  if (requests_ != Direction::kWrite || open_.empty()) return;
  closing_ = Cause::kClosed;
  closed_ = true;
  end_exchanges({chunk.begin_ns, chunk.end_ns});
}

// Some libraries (BoringSSL without symbols) do not show that a TLS object was freed, and the next
// one may be at its address. A client's preface stands nowhere else (RFC 9113, 3.4).
bool Connection::begins_anew(Direction direction, std::string_view bytes) const {
  return !unknown_ && requests_.value_or(direction) == direction &&
         bytes.starts_with(kHttp2Preface);
}

void Connection::begin_anew(Stamp stamp) {
  closing_ = Cause::kClosed;
  end_exchanges(stamp);
  closing_.reset();
  requests_.reset();
  peer_ended_ = false;
  unknown_ = std::make_unique<Unknown>();
  ++reuses_;
  loss(LossReason::kUnknownContext, 0);  // found by where a chunk begins, not followed
  context_.peers.forget_socket(id_);
}

void Connection::end_exchanges(Stamp stamp) {
  if (decoder_) decoder_->close(stamp, *this);
  while (!open_.empty()) end(open_.begin()->first, End::kTruncated, stamp);
  decoder_.reset();
  unknown_.reset();
}

// A decoder cannot know whose fault it is that the connection ended before the message.
End Connection::refine(End end) const {
  if (!closing_) return end;
  if (*closing_ == Cause::kEvicted) return End::kEvicted;
  if (end != End::kTruncated && end != End::kCancelled) return end;
  const bool client_left = (requests_ == Direction::kWrite) != peer_ended_;
  return client_left ? End::kCancelled : End::kTruncated;
}

std::size_t Connection::memory() const {
  return sizeof(*this) + streams_[0].memory() + streams_[1].memory() + deferred_bytes_ +
         exchange_bytes_ + open_.size() * (sizeof(Exchange) + 48) +
         (decoder_ ? decoder_->memory() : 0) + (unknown_ ? sizeof(Unknown) : 0);
}

void Connection::set_verdict(ConnVerdict verdict) {
  if (verdict == verdict_ || verdict_ == ConnVerdict::kLlm) return;
  if (verdict_ == ConnVerdict::kWatch) after_watch_[0] = after_watch_[1] = true;
  verdict_ = verdict;
  context_.sink.verdict(id_, verdict);
}

void Connection::bytes(Direction direction, std::string_view bytes, Stamp stamp) {
  const bool wanted = !closed_ && verdict_ != ConnVerdict::kIgnore;
  (wanted ? context_.counts.parsed : context_.counts.skipped) += bytes.size();
  if (wanted) decode(direction, bytes, stamp);
}

void Connection::decode(Direction direction, std::string_view bytes, Stamp stamp) {
  if (begins_anew(direction, bytes)) begin_anew(stamp);
  if (unknown_) {
    detect(direction, bytes, stamp);
  } else {
    decoder_->feed(direction, bytes, stamp, *this);
  }
}

void Connection::hole(Direction direction, std::uint64_t count, Stamp stamp, bool overflow) {
  context_.counts.gap += count;
  gave_up_ = true;
  if (closed_ || verdict_ == ConnVerdict::kIgnore) return;
  // Watched, holes are what we asked for.
  if (verdict_ != ConnVerdict::kWatch && !after_watch_[static_cast<std::size_t>(direction)]) {
    loss(overflow ? LossReason::kReorderLimit : LossReason::kGap, count);
  }
  if (unknown_) unknown_->prefix[static_cast<std::size_t>(direction)].clear();
  if (decoder_) decoder_->gap(direction, count, stamp, *this);
}

template <class Call>
void Connection::with(StreamId stream, Call call) {
  const auto it = open_.find(stream);
  if (it == open_.end()) return;
  Exchange& exchange = *it->second;
  context_.current = &exchange.peer;
  call(exchange);
  context_.current = nullptr;
  const std::size_t now = exchange.fold.memory();
  exchange_bytes_ += now - exchange.bytes;
  exchange.bytes = now;
}

void Connection::request(StreamId stream, RequestHead&& head, Direction direction, Stamp stamp) {
  requests_ = direction;
  auto exchange = std::make_unique<Exchange>(context_.fold, id_);
  exchange->peer.conn = id_;
  exchange->peer.stream = StreamId{reuses_} << 32 | stream;  // HTTP/2's numbers begin anew
  exchange->peer.direction = direction;
  exchange->peer.begin_ns = stamp.begin_ns;
  exchange->peer.end_ns = stamp.end_ns;
  exchange->hashable = !head.partial;
  exchange->hash.add(head.method);
  exchange->hash.add("\n");
  exchange->hash.add(head.path);
  exchange->hash.add("\n");
  open_.insert_or_assign(stream, std::move(exchange));
  with(stream, [&](Exchange& e) { e.fold.request(std::move(head), direction, stamp); });
}

void Connection::response(StreamId stream, ResponseHead&& head, Stamp stamp) {
  with(stream, [&](Exchange& e) { e.fold.response(std::move(head), stamp); });
}

void Connection::body(StreamId stream, Side side, std::string_view bytes, Stamp stamp) {
  with(stream, [&](Exchange& e) {
    if (side == Side::kRequest && e.hashable) e.hash.add(bytes);
    e.fold.body(side, bytes, stamp);
  });
}

void Connection::gap(StreamId stream, Side side, std::uint64_t bytes) {
  with(stream, [&](Exchange& e) {
    if (side == Side::kRequest) e.hashable = false;
    e.fold.gap(side, bytes);
  });
}

void Connection::trailers(StreamId stream, Side side, Headers&& trailers) {
  with(stream, [&](Exchange& e) { e.fold.trailers(side, std::move(trailers)); });
}

void Connection::finish(StreamId stream, Side side, Stamp stamp) {
  with(stream, [&](Exchange& e) {
    e.fold.finish(side, stamp);
    if (side != Side::kRequest || !e.hashable || e.fold.verdict() == ConnVerdict::kWatch) return;
    e.peer.digest = e.hash.value();
    context_.peers.request(e.peer);
  });
}

void Connection::message(StreamId stream, Side side, std::string_view payload, bool text,
                         Stamp stamp) {
  with(stream, [&](Exchange& e) { e.fold.message(side, payload, text, stamp); });
}

void Connection::end(StreamId stream, End end, Stamp stamp) {
  const auto node = open_.extract(stream);
  if (node.empty()) return;
  Exchange& exchange = *node.mapped();
  exchange_bytes_ -= exchange.bytes;
  context_.current = &exchange.peer;
  exchange.fold.end(refine(end), stamp);
  context_.current = nullptr;
  if (exchange.peer.direction == Direction::kWrite) {
    context_.peers.client_end(exchange.peer, stamp.end_ns);
  }
}

void Connection::loss(LossReason reason, std::uint64_t bytes) {
  context_.sink.loss(id_, reason, bytes);
}

}  // namespace llmtap
