// SPDX-License-Identifier: Apache-2.0
//
// The whole wire API: ordered bytes of both directions of one connection go in, exchanges come out.
#pragma once

#include <cstdint>
#include <string_view>

#include "parsers/core/chunk.h"
#include "parsers/core/exchange.h"
#include "parsers/core/loss.h"

namespace llmtap {

// Number of an exchange on its connection; HTTP/2 uses its stream id, HTTP/1 counts from 1.
using StreamId = std::uint64_t;

// When a piece of the wire was there: entry and return of the TLS call that carried it.
struct Stamp {
  TimeNs begin_ns = 0;
  TimeNs end_ns = 0;
};

// Receives what a decoder finds. Calls for one stream come in this order:
//   request, (body | gap)*, trailers? and finish of the request, response, (body | gap)*, trailers?
//   and finish of the response, end. Request and response parts may interleave (a server may answer early).
// `end` comes exactly once for every `request` and nothing follows it. After a 101 or an extended
// CONNECT the stream carries `message`s of both sides instead of bodies until `end`.
// A response whose request was never seen (late attach) is not reported.
class ExchangeSink {
 public:
  virtual ~ExchangeSink() = default;
  // `direction` is the direction of the request's bytes: kWrite means that we observe the client.
  virtual void request(StreamId stream, RequestHead&& head, Direction direction, Stamp stamp) = 0;
  virtual void response(StreamId stream, ResponseHead&& head, Stamp stamp) = 0;
  // Body bytes without transfer framing, still content-encoded. The view lives during the call.
  virtual void body(StreamId stream, Side side, std::string_view bytes, Stamp stamp) = 0;
  // `bytes` of this body are missing at this place (0: an unknown number).
  // On a WebSocket also behind `finish`: one or more messages of this side could not be had. Behind
  // `finish` of an HTTP/1 response: it may answer another request.
  virtual void gap(StreamId stream, Side side, std::uint64_t bytes) = 0;
  // Fields behind a body (RFC 9110 6.5), where there are any.
  virtual void trailers(StreamId, Side, Headers&&) {}
  // The message of one side is whole (its framing says so).
  virtual void finish(StreamId stream, Side side, Stamp stamp) = 0;
  // One WebSocket message, unmasked, inflated and joined.
  virtual void message(StreamId stream, Side side, std::string_view payload, bool text,
                       Stamp stamp) = 0;
  virtual void end(StreamId stream, End end, Stamp stamp) = 0;
  // Something was lost that no exchange can be charged with.
  virtual void loss(LossReason reason, std::uint64_t bytes) = 0;
};

// Push, incremental, both directions of one connection. The first violation that the framing
// cannot recover from is sticky: the decoder is dead, ends what is open and counts what follows.
class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual void feed(Direction direction, std::string_view bytes, Stamp stamp, ExchangeSink& sink) = 0;
  // `bytes` of this direction were lost before the next feed.
  virtual void gap(Direction direction, std::uint64_t bytes, Stamp stamp, ExchangeSink& sink) = 0;
  // The connection is gone. Ends whatever is open; a body that runs to the close completes.
  virtual void close(Stamp stamp, ExchangeSink& sink) = 0;
  virtual bool dead() const = 0;
  // Bytes that this decoder holds now (buffers, tables), for the global budget.
  virtual std::size_t memory() const = 0;
};

}  // namespace llmtap
