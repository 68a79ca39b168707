// SPDX-License-Identifier: Apache-2.0
//
// One live connection: two byte streams, one decoder, and a fold per exchange in flight.
//
//   chunk → ByteStream (per direction) → Decoder → CallFold (per exchange) → RecordSink
//
// While one direction waits for a hole to be filled, what the other direction brings is kept back,
// so that a response never overtakes its request.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "parsers/assembly/assembler.h"
#include "parsers/assembly/call_fold.h"
#include "parsers/assembly/peer_match.h"
#include "parsers/core/loss.h"
#include "parsers/stream/byte_stream.h"
#include "parsers/wire/decoder.h"

namespace llmtap {

// What all connections of one assembler share; outlives them.
struct ConnectionContext {
  const Limits& limits;
  FoldContext& fold;
  PeerMatch& peers;
  RecordSink& sink;
  PeerView* current = nullptr;  // the exchange whose fold is at work: records come from it
  StreamCounts counts = {};
};

class Connection final : private ExchangeSink {
 public:
  // A connection that shows no HTTP is judged after this many changes of direction ...
  static constexpr unsigned kMaxTurns = 6;
  // ... or bytes: then only the heads of turns are asked for.
  static constexpr std::uint64_t kMaxUnknownBytes = std::uint64_t{1} << 20;

  // Why a connection ends.
  enum class Cause : std::uint8_t {
    kClosed,   // the observed process freed the TLS object, exited or runs another image
    kEvicted,  // our own limits
  };

  Connection(const ConnId& id, ConnectionContext& context);
  ~Connection() override;

  // `chunk.kind` is kData.
  void feed(const Chunk& chunk);
  // Event time moves on: holes that were waited for too long become gaps.
  void advance(TimeNs now_ns);
  // Ends every exchange. Nothing may follow but the destructor.
  void close(Cause cause, TimeNs now_ns);
  // What an exchange says about its connection; reported when it is news.
  void set_verdict(ConnVerdict verdict);

  const ConnId& id() const { return id_; }
  // It was heard of, without bytes.
  void touch(TimeNs now_ns) { last_ns_ = std::max(last_ns_, now_ns); }
  TimeNs last_ns() const { return last_ns_; }
  bool waiting() const { return streams_[0].waiting() || streams_[1].waiting(); }
  bool has_open_exchanges() const { return !open_.empty(); }
  ConnVerdict verdict() const { return verdict_; }
  // Bytes held now.
  std::size_t memory() const;

 private:
  class Inlet;       // StreamSink of one direction
  struct Exchange;
  struct Deferred;
  struct Unknown;

  void push(const Chunk& chunk);
  void defer(const Chunk& chunk);
  void release_deferred();
  void release_deferred_before(Direction direction, TimeNs end_ns);
  void peer_ended(const Chunk& chunk);
  void bytes(Direction direction, std::string_view bytes, Stamp stamp);
  void decode(Direction direction, std::string_view bytes, Stamp stamp);
  void hole(Direction direction, std::uint64_t count, Stamp stamp, bool overflow);
  void detect(Direction direction, std::string_view bytes, Stamp stamp);
  void choose(Direction direction, std::string_view bytes, Stamp stamp);
  void search_http1(Direction direction, std::string_view bytes, Stamp stamp);
  void join_websocket(Direction direction, Side side, std::string_view bytes, Stamp stamp);
  void settle();
  void give_prefixes();
  bool begins_anew(Direction direction, std::string_view bytes) const;
  void begin_anew(Stamp stamp);
  void end_exchanges(Stamp stamp);
  End refine(End end) const;
  template <class Call>
  void with(StreamId stream, Call call);

  void request(StreamId stream, RequestHead&& head, Direction direction, Stamp stamp) override;
  void response(StreamId stream, ResponseHead&& head, Stamp stamp) override;
  void body(StreamId stream, Side side, std::string_view bytes, Stamp stamp) override;
  void gap(StreamId stream, Side side, std::uint64_t bytes) override;
  void trailers(StreamId stream, Side side, Headers&& trailers) override;
  void finish(StreamId stream, Side side, Stamp stamp) override;
  void message(StreamId stream, Side side, std::string_view payload, bool text,
               Stamp stamp) override;
  void end(StreamId stream, End end, Stamp stamp) override;
  void loss(LossReason reason, std::uint64_t bytes) override;

  ConnId id_;
  ConnectionContext& context_;
  ByteStream streams_[2];
  std::unique_ptr<Decoder> decoder_;
  std::unique_ptr<Unknown> unknown_;  // until the protocol is known
  std::unique_ptr<std::deque<Deferred>> deferred_;
  std::size_t deferred_bytes_ = 0;
  bool gave_up_ = false;  // on a hole just now: what was kept back has waited for its own as well
  std::map<StreamId, std::unique_ptr<Exchange>> open_;  // nearly always one: small
  std::size_t exchange_bytes_ = 0;  // what the folds hold
  std::uint32_t reuses_ = 0;  // how often its TLS object has begun another connection
  std::optional<Direction> requests_;
  ConnVerdict verdict_ = ConnVerdict::kUnknown;
  std::optional<Cause> closing_;
  bool after_watch_[2] = {false, false};  // the next chunk may follow what was not copied
  bool peer_ended_ = false;
  bool begun_ = false;  // some bytes came
  bool closed_ = false;
  TimeNs last_ns_ = 0;
};

}  // namespace llmtap
