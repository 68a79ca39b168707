// SPDX-License-Identifier: Apache-2.0
//
// A sink that keeps everything and checks the order that ExchangeSink promises.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "parsers/wire/decoder.h"

namespace llmtap::test {

struct LoggedMessage {
  Side side = Side::kRequest;
  std::string payload;
  bool text = true;

  bool operator==(const LoggedMessage&) const = default;
};

// Pieces of a body are joined: how it was cut does not matter. A gap shows as its place and size.
struct LoggedExchange {
  RequestHead request;
  std::optional<ResponseHead> response;
  std::string body[2];
  std::vector<std::pair<std::size_t, std::uint64_t>> gaps[2];
  bool finished[2] = {false, false};
  std::vector<LoggedMessage> messages;
  std::optional<End> end;

  bool operator==(const LoggedExchange&) const = default;
  bool whole() const {
    return !request.partial && (!response || !response->partial) && gaps[0].empty() &&
           gaps[1].empty();
  }
};

class ExchangeLog final : public ExchangeSink {
 public:
  void request(StreamId id, RequestHead&& head, Direction direction, Stamp) override {
    expect(!open(id), "request on an open stream");
    exchanges_[id].push_back({});
    at(id).request = std::move(head);
    client = direction;
    ++opened;
  }
  void response(StreamId id, ResponseHead&& head, Stamp) override {
    if (!expect(open(id) && !at(id).response, "response out of order")) return;
    at(id).response = std::move(head);
  }
  void body(StreamId id, Side side, std::string_view bytes, Stamp) override {
    if (!may_carry(id, side)) return;
    at(id).body[index(side)].append(bytes);
  }
  void gap(StreamId id, Side side, std::uint64_t bytes) override {
    const bool socket = open(id) && at(id).request.protocol == Protocol::kWebSocket;
    if (!socket && !may_carry(id, side)) return;  // messages have gaps behind a finished head
    at(id).gaps[index(side)].push_back({at(id).body[index(side)].size(), bytes});
  }
  void finish(StreamId id, Side side, Stamp) override {
    if (!may_carry(id, side)) return;
    at(id).finished[index(side)] = true;
  }
  void message(StreamId id, Side side, std::string_view payload, bool text, Stamp) override {
    if (!expect(open(id) && at(id).response, "message out of order")) return;
    at(id).messages.push_back({side, std::string(payload), text});
  }
  void end(StreamId id, End how, Stamp) override {
    if (!expect(open(id), "end of a closed stream")) return;
    at(id).end = how;
  }
  void loss(LossReason reason, std::uint64_t bytes) override { losses.add(reason, bytes); }

  // The only (or latest) exchange of a stream.
  const LoggedExchange& exchange(StreamId id) const { return exchanges_.at(id).back(); }
  const std::map<StreamId, std::vector<LoggedExchange>>& all() const { return exchanges_; }
  std::size_t size() const { return exchanges_.size(); }

  std::vector<std::string> errors;  // broken promises
  LossLedger losses;
  std::size_t opened = 0;
  std::optional<Direction> client;

 private:
  static std::size_t index(Side side) { return static_cast<std::size_t>(side); }
  bool open(StreamId id) const {
    const auto it = exchanges_.find(id);
    return it != exchanges_.end() && !it->second.back().end;
  }
  LoggedExchange& at(StreamId id) { return exchanges_[id].back(); }
  bool may_carry(StreamId id, Side side) {
    return expect(
        open(id) && !at(id).finished[index(side)] && (side == Side::kRequest || at(id).response),
        "body, gap or finish out of order");
  }
  bool expect(bool ok, const char* what) {
    if (!ok) errors.emplace_back(what);
    return ok;
  }

  std::map<StreamId, std::vector<LoggedExchange>> exchanges_;
};

}  // namespace llmtap::test
