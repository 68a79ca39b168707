// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/websocket_decoder.h"

#include <string>
#include <utility>

#include "parsers/wire/websocket_frame.h"

namespace llmtap {

std::optional<Side> looks_like_websocket(std::string_view first_bytes) {
  WebSocketHeader header;
  if (parse_websocket_header(first_bytes, header) != HeaderParse::kOk) return std::nullopt;
  const std::string_view payload = first_bytes.substr(header.size, 2);
  const bool text = header.opcode == Opcode::kText && header.fin && !header.compressed;
  if (!text || header.length < 2 || payload.size() < 2) return std::nullopt;
  std::string begin;
  append_unmasked(payload, header.key, 0, begin);
  if (begin != "{\"" && begin != "{ " && begin != "{\n" && begin != "{}") return std::nullopt;
  return header.masked ? Side::kRequest : Side::kResponse;
}

void WebSocketDecoder::feed(Direction direction, std::string_view bytes, Stamp stamp,
                            ExchangeSink& sink) {
  sink_ = &sink;
  stream_.feed(side(direction), bytes, stamp, *this);
}

void WebSocketDecoder::gap(Direction direction, std::uint64_t bytes, Stamp stamp,
                           ExchangeSink& sink) {
  sink_ = &sink;
  stream_.gap(side(direction), bytes, stamp, *this);
}

void WebSocketDecoder::close(Stamp stamp, ExchangeSink& sink) {
  if (open_) sink.end(kStream, stream_.end(), stamp);
  open_ = false;
}

void WebSocketDecoder::gap(StreamId stream, Side side, std::uint64_t bytes) {
  if (open_) sink_->gap(stream, side, bytes);
}

void WebSocketDecoder::message(StreamId stream, Side side, std::string_view payload, bool text,
                               Stamp stamp) {
  if (!open_) {
    open_ = true;
    RequestHead request;
    request.protocol = Protocol::kWebSocket;
    request.partial = true;
    sink_->request(stream, std::move(request), client_, stamp);
    sink_->finish(stream, Side::kRequest, stamp);
    ResponseHead response;
    response.partial = true;
    sink_->response(stream, std::move(response), stamp);
  }
  sink_->message(stream, side, payload, text, stamp);
}

}  // namespace llmtap
