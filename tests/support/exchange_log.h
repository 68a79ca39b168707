// SPDX-License-Identifier: Apache-2.0
//
// An ExchangeSink that writes down what a decoder found, one text per exchange, with consecutive
// body pieces joined: two runs that differ only in how the bytes were cut give equal logs.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "parsers/wire/decoder.h"

namespace llmtap::testing {

struct ExchangeSeen {
  RequestHead request;
  ResponseHead response;
  Direction direction = Direction::kWrite;
  std::string body[2];  // by Side
  std::uint64_t lost[2] = {0, 0};
  bool gap[2] = {false, false};
  bool finished[2] = {false, false};
  bool has_response = false;
  int ends = 0;
  int after_end = 0;  // calls that came when the exchange was over: a broken contract
  End end = End::kEvicted;
  std::string messages;
  Headers trailers;

  bool damaged() const { return gap[0] || gap[1] || end != End::kComplete || !finished[0]; }
  bool operator==(const ExchangeSeen&) const = default;
};

class ExchangeLog final : public ExchangeSink {
 public:
  void request(StreamId stream, RequestHead&& head, Direction direction, Stamp) override {
    ExchangeSeen& seen = at(stream);
    seen.request = std::move(head);
    seen.direction = direction;
  }
  void response(StreamId stream, ResponseHead&& head, Stamp) override {
    at(stream).response = std::move(head);
    at(stream).has_response = true;
  }
  void body(StreamId stream, Side side, std::string_view bytes, Stamp) override {
    at(stream).body[static_cast<int>(side)].append(bytes);
    body_calls++;
    body_view = bytes;
  }
  void gap(StreamId stream, Side side, std::uint64_t bytes) override {
    at(stream).gap[static_cast<int>(side)] = true;
    at(stream).lost[static_cast<int>(side)] += bytes;
    at(stream).body[static_cast<int>(side)].append("<gap>");
  }
  void trailers(StreamId stream, Side, Headers&& trailers) override {
    at(stream).trailers = std::move(trailers);
  }
  void finish(StreamId stream, Side side, Stamp) override {
    at(stream).finished[static_cast<int>(side)] = true;
  }
  void message(StreamId stream, Side side, std::string_view payload, bool, Stamp) override {
    at(stream).messages.append(side == Side::kRequest ? ">" : "<").append(payload).append("\n");
  }
  void end(StreamId stream, End end, Stamp) override {
    at(stream).end = end;
    at(stream).ends++;
  }
  void loss(LossReason reason, std::uint64_t bytes) override { losses.add(reason, bytes); }

  std::map<StreamId, ExchangeSeen> seen;
  LossLedger losses;
  std::uint64_t body_calls = 0;
  std::string_view body_view;  // of the last body call; dangling later, for address checks only

 private:
  ExchangeSeen& at(StreamId stream) {
    ExchangeSeen& exchange = seen[stream];
    if (exchange.ends > 0) exchange.after_end++;
    return exchange;
  }
};

}  // namespace llmtap::testing
