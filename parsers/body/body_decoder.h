// SPDX-License-Identifier: Apache-2.0
//
// Body bytes (content codings undone) → body events. Push, incremental, one decoder per body; the
// events of a body are the same however its bytes were cut into pieces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "parsers/core/body_event.h"
#include "parsers/core/exchange.h"
#include "parsers/core/loss.h"

namespace llmtap {

class BodySink {
 public:
  virtual ~BodySink() = default;
  // The event's views live during the call.
  virtual void event(const BodyEvent& event) = 0;
  virtual void loss(LossReason reason, std::uint64_t bytes) = 0;
};

struct BodyLimits {
  std::size_t whole = std::size_t{16} << 20;  // a body that is one event, a message of gRPC
  std::size_t event = std::size_t{4} << 20;   // one event of a streamed body, name included
};

class BodyDecoder {
 public:
  virtual ~BodyDecoder() = default;
  // `ts_ns` is when these bytes were there; an event carries the stamp of its last byte.
  virtual void feed(std::string_view bytes, TimeNs ts_ns, BodySink& sink) = 0;
  // `bytes` are missing before the next feed (0: an unknown number). What was under way is
  // dropped; the decoder goes on at the next place where its framing can be found again, and the
  // next event is marked `after_gap`.
  virtual void gap(std::uint64_t bytes) = 0;
  // The body is over. `complete`: by its framing; else it was cut here, and an event that was
  // under way is dropped unless its own framing says that it is whole.
  virtual void finish(TimeNs ts_ns, bool complete, BodySink& sink) = 0;
  // Bytes held now.
  virtual std::size_t memory() const = 0;
  // The framing is one of a stream (SSE, lines, event stream); known at the first event at last.
  virtual bool streamed() const { return false; }
};

enum class BodyKind : std::uint8_t {
  kWhole,           // one event: the body
  kSse,             // WHATWG HTML 9.2
  kNdjson,          // one JSON value per line
  kJsonArray,       // a growing array of objects, each an event
  kAwsEventStream,  // application/vnd.amazon.eventstream
  kMultipart,       // multipart/form-data (RFC 7578)
  kGrpc,            // length-prefixed messages
  kOpaque,          // media and other bytes: counted, one event without data
};

// Picks by Content-Type. Where that is absent or says text or JSON, the first bytes decide between
// SSE, a growing array, lines and one JSON value: servers and recordings mislabel streams.
std::unique_ptr<BodyDecoder> make_body_decoder(const Headers& headers, const BodyLimits& limits);

// One decoder of a known kind. `headers` are asked for a boundary (multipart) and gRPC's coding.
std::unique_ptr<BodyDecoder> make_body_decoder(BodyKind kind, const Headers& headers,
                                               const BodyLimits& limits);

}  // namespace llmtap
