// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/http2.h"

#include <algorithm>
#include <utility>

#include "parsers/wire/http2_head.h"
#include "parsers/wire/websocket.h"

namespace llmtap {
namespace {

constexpr std::size_t kStreamBytes = 128;  // a map node with its allocation

std::size_t index(Side side) { return static_cast<std::size_t>(side); }

std::uint32_t read_u32(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
  return value;
}

}  // namespace

Http2Decoder::Http2Decoder() = default;
Http2Decoder::~Http2Decoder() = default;

void Http2Decoder::feed(Direction direction, std::string_view bytes, Stamp stamp,
                        ExchangeSink& sink) {
  if (dead_) return sink.loss(LossReason::kMalformedHttp, bytes.size());
  now_ = {direction, stamp, &sink};
  half(direction).reader.feed(bytes, *this);
}

void Http2Decoder::gap(Direction direction, std::uint64_t bytes, Stamp stamp, ExchangeSink& sink) {
  if (dead_) return;
  now_ = {direction, stamp, &sink};
  half(direction).reader.gap(bytes, *this);
}

void Http2Decoder::close(Stamp stamp, ExchangeSink& sink) {
  for (const Direction direction : {Direction::kWrite, Direction::kRead}) {
    now_ = {direction, stamp, &sink};
    half(direction).reader.close(*this);
  }
  end_all();
}

std::size_t Http2Decoder::memory() const {
  std::size_t bytes = sizeof(*this) + streams_.size() * kStreamBytes + socket_memory_;
  for (const Half& half : halves_) bytes += half.reader.memory() + half.hpack.memory();
  return bytes;
}

void Http2Decoder::preface() {
  client_ = now_.direction;
  lost_after_ = UINT32_MAX;
}

bool Http2Decoder::block(const FrameHeader& header, std::string_view block, bool lost) {
  HpackDecoder& hpack = half(now_.direction).hpack;
  Http2Head head;
  if (lost) {
    hpack.forget();
    head.set_partial();
  } else if (!hpack.decode(block, [&](const HpackField& field) { head.add(field); })) {
    hpack.forget();
    return false;
  }
  if (header.type == FrameType::kPushPromise) return true;  // decoded for the table's sake (8.4)
  if (!client_ && head.is_request()) client_ = now_.direction;
  if (!client_ && head.is_response()) client_ = opposite(now_.direction);
  if (!client_) return true;
  if (head.over_limit()) now_.sink->loss(LossReason::kHeaderLimit, block.size());
  if (side() == Side::kRequest) {
    request_block(header, head, lost);
  } else {
    response_block(header, head);
  }
  return true;
}

// 8.1. A block on an open stream is its trailers; one on a stream that is over, or without request
// pseudo fields, belongs to nothing that we report.
void Http2Decoder::request_block(const FrameHeader& header, Http2Head& head, bool lost) {
  Stream* stream = find(header.stream);
  if (stream == nullptr) {
    const bool client_stream = header.stream % 2 == 1 && header.stream > highest_;
    if (!client_stream || !(lost || head.is_request())) return;
    seen_from_ = std::min(seen_from_, header.stream);
    stream = &open(header.stream, head);
  }
  if (header.has(FrameHeader::kEndStream)) side_over(header.stream, *stream, Side::kRequest);
}

void Http2Decoder::response_block(const FrameHeader& header, Http2Head& head) {
  const bool ends = header.has(FrameHeader::kEndStream);
  if (head.status() / 100 == 1 && !ends) return;  // interim (RFC 9110, 15.2)
  Stream* stream = find(header.stream);
  if (stream == nullptr) {
    if (!head.is_response() || !unseen(header.stream)) return;
    stream = &open_unseen(header.stream);
    stream->over[index(Side::kRequest)] = true;
    now_.sink->finish(header.stream, Side::kRequest, now_.stamp);
  }
  if (!stream->response_started) {
    start_response(header.stream, *stream, head);
  } else if (ends && !stream->over[index(Side::kResponse)] && !stream->socket) {
    Headers trailers = head.take_response().headers;
    if (!trailers.empty()) now_.sink->trailers(header.stream, Side::kResponse, std::move(trailers));
  }
  if (ends) side_over(header.stream, *stream, Side::kResponse);
}

Http2Decoder::Stream& Http2Decoder::open(std::uint32_t id, Http2Head& head) {
  if (streams_.size() >= kMaxStreams) {
    now_.sink->loss(LossReason::kConnectionLimit, 0);
    end(streams_.begin()->first, End::kEvicted);
  }
  highest_ = std::max(highest_, id);
  Stream& stream = streams_[id];
  stream.asks_websocket = head.connects_websocket();
  for (const Side side : {Side::kRequest, Side::kResponse}) {
    stream.seen_losses[index(side)] = losses(side);
  }
  now_.sink->request(id, head.take_request(), *client_, now_.stamp);
  return stream;
}

Http2Decoder::Stream& Http2Decoder::open_unseen(std::uint32_t id) {
  Http2Head head;
  head.set_partial();
  const std::uint32_t highest = highest_;
  Stream& stream = open(id, head);
  if (side() == Side::kResponse) highest_ = highest;  // the client's own order says what is new
  now_.sink->gap(id, Side::kRequest, 0);
  return stream;
}

void Http2Decoder::start_response(std::uint32_t id, Stream& stream, Http2Head& head) {
  report_losses(id, stream, Side::kResponse);  // before the response: they are not its own
  stream.response_started = true;
  const int status = head.status();
  if (status == 0) head.set_partial();
  const bool websocket = stream.asks_websocket && status / 100 == 2;  // RFC 8441, 5
  if (websocket) now_.sink->finish(id, Side::kRequest, now_.stamp);
  ResponseHead response = head.take_response();
  if (websocket) {
    stream.socket = std::make_unique<WebSocketStream>(id, &response.headers);
    socket_memory_ += stream.socket->memory();
  }
  now_.sink->response(id, std::move(response), now_.stamp);
}

void Http2Decoder::data(std::uint32_t id, std::string_view bytes) {
  if (!client_) return skipped(bytes.size());
  Stream* stream = find(id);
  if (stream == nullptr && unseen(id)) {
    // At a late attach the beginning of such a body is lost; behind a gap it may be whole.
    if (side() == Side::kResponse || lost_after_ == 0) return skipped(bytes.size());
    stream = &open_unseen(id);
  }
  if (stream == nullptr || stream->over[index(side())]) return;  // in flight when it was reset
  report_losses(id, *stream, side());
  if (stream->socket) return feed_socket(*stream, side(), bytes, 0);
  if (side() == Side::kResponse && !stream->response_started) {
    Http2Head head;
    start_response(id, *stream, head);
    now_.sink->gap(id, Side::kResponse, 0);
  }
  now_.sink->body(id, side(), bytes, now_.stamp);
}

void Http2Decoder::data_lost(std::uint32_t id, std::uint64_t bytes) {
  Stream* stream = find(id);
  if (stream == nullptr || stream->over[index(side())]) return;
  report_losses(id, *stream, side());
  if (stream->socket) return feed_socket(*stream, side(), {}, bytes);
  if (side() == Side::kRequest || stream->response_started) now_.sink->gap(id, side(), bytes);
}

void Http2Decoder::data_end(const FrameHeader& header) {
  if (!header.has(FrameHeader::kEndStream)) return;
  if (Stream* stream = find(header.stream)) side_over(header.stream, *stream, side());
}

void Http2Decoder::control(const FrameHeader& header, std::string_view payload) {
  switch (header.type) {
    case FrameType::kSettings:
      if (header.length != 0 && payload.empty()) {  // lost: it may have allowed anything
        return half(opposite(now_.direction)).reader.set_max_frame(kLargestMaxFrame);
      }
      return settings(payload);
    case FrameType::kRstStream: {  // 6.4
      const Stream* stream = find(header.stream);
      if (stream == nullptr) return;
      const bool complete = stream->over[index(Side::kResponse)];
      return end(header.stream, complete                   ? End::kComplete
                                : side() == Side::kRequest ? End::kCancelled
                                                           : End::kTruncated);
    }
    case FrameType::kGoaway:
      if (side() == Side::kResponse && payload.size() >= 4) goaway(payload);
      return;
    default:
      return;
  }
}

// 6.5: what this side accepts binds the other.
void Http2Decoder::settings(std::string_view payload) {
  constexpr std::uint32_t kMaxFrameSize = 5;
  for (; payload.size() >= 6; payload.remove_prefix(6)) {
    const std::uint32_t id = read_u32(payload) >> 16;
    const std::uint32_t value = read_u32(payload.substr(2));
    if (id != kMaxFrameSize || value < kDefaultMaxFrame || value > kLargestMaxFrame) continue;
    half(opposite(now_.direction)).reader.set_max_frame(value);
  }
}

// 6.8: streams above the last one were not and will not be processed.
void Http2Decoder::goaway(std::string_view payload) {
  if (!client_) return;
  const std::uint32_t last = read_u32(payload) & 0x7fffffff;
  for (auto it = streams_.upper_bound(last); it != streams_.end();) {
    const std::uint32_t id = it++->first;
    end(id, End::kTruncated);
  }
}

void Http2Decoder::over_limit(std::uint64_t bytes) {
  now_.sink->loss(LossReason::kHeaderLimit, bytes);
}

void Http2Decoder::unaligned() {
  half(now_.direction).hpack.forget();
  // SETTINGS may have been among what was lost: the other side may send larger frames.
  half(opposite(now_.direction)).reader.set_max_frame(kLargestMaxFrame);
  if (!client_ || now_.direction == *client_) {
    lost_after_ = highest_;
    seen_from_ = UINT32_MAX;
  }
  ++losses_[static_cast<std::size_t>(now_.direction)];
}

// Frames of this side may have been lost since the stream was last touched.
void Http2Decoder::report_losses(std::uint32_t id, Stream& stream, Side side) {
  std::uint32_t& seen = stream.seen_losses[index(side)];
  if (stream.over[index(side)] || seen == losses(side)) return;
  seen = losses(side);
  stream.hurt[index(side)] = true;
  if (stream.socket) {
    feed_socket(stream, side, {}, 0);
  } else if (side == Side::kRequest || stream.response_started) {
    now_.sink->gap(id, side, 0);
  }
}

void Http2Decoder::violated() {
  dead_ = true;
  now_.sink->loss(LossReason::kMalformedHttp, 0);
  end_all();
}

void Http2Decoder::skipped(std::uint64_t bytes) {
  now_.sink->loss(LossReason::kUnknownContext, bytes);
}

// No bytes: `lost` of them (0: an unknown number) are missing.
void Http2Decoder::feed_socket(Stream& stream, Side side, std::string_view bytes,
                               std::uint64_t lost) {
  socket_memory_ -= stream.socket->memory();
  if (bytes.empty()) {
    stream.socket->gap(side, lost, now_.stamp, *now_.sink);
  } else {
    stream.socket->feed(side, bytes, now_.stamp, *now_.sink);
  }
  socket_memory_ += stream.socket->memory();
}

// The stream is gone when both sides are over, or when the request's end may have been missed.
void Http2Decoder::side_over(std::uint32_t id, Stream& stream, Side side) {
  if (stream.over[index(side)]) return;
  for (const Side each : {Side::kRequest, Side::kResponse}) report_losses(id, stream, each);
  if (side == Side::kResponse && !stream.response_started) {
    Http2Head head;
    start_response(id, stream, head);
    now_.sink->gap(id, Side::kResponse, 0);
  }
  stream.over[index(side)] = true;
  if (!stream.socket) now_.sink->finish(id, side, now_.stamp);
  const bool request_over =
      stream.over[index(Side::kRequest)] || stream.hurt[index(Side::kRequest)];
  if (request_over && stream.over[index(Side::kResponse)]) end(id, End::kComplete);
}

End Http2Decoder::end_of(const Stream& stream) {
  if (stream.over[index(Side::kResponse)]) return End::kComplete;
  if (stream.hurt[index(Side::kRequest)] || stream.hurt[index(Side::kResponse)]) return End::kGap;
  return stream.socket ? stream.socket->end() : End::kTruncated;
}

void Http2Decoder::end(std::uint32_t id, End end) {
  const auto it = streams_.find(id);
  for (const Side side : {Side::kRequest, Side::kResponse}) report_losses(id, it->second, side);
  if (it->second.socket) socket_memory_ -= it->second.socket->memory();
  streams_.erase(it);
  now_.sink->end(id, end, now_.stamp);
}

void Http2Decoder::end_all() {
  while (!streams_.empty()) {
    auto& [id, stream] = *streams_.begin();
    for (const Side side : {Side::kRequest, Side::kResponse}) report_losses(id, stream, side);
    end(id, end_of(stream));
  }
}

Http2Decoder::Stream* Http2Decoder::find(std::uint32_t id) {
  const auto it = streams_.find(id);
  return it == streams_.end() ? nullptr : &it->second;
}

bool Http2Decoder::unseen(std::uint32_t id) const {
  return client_ && id % 2 == 1 && id > lost_after_ && id < seen_from_;
}

}  // namespace llmtap
