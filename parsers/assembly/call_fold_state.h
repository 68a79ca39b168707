// SPDX-License-Identifier: Apache-2.0
//
// What a CallFold holds. Its members are in three files by what they serve: call_fold.cpp (the
// request and the end), fold_response.cpp, fold_session.cpp (WebSockets).
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "parsers/assembly/call_fold.h"
#include "parsers/assembly/request_collector.h"
#include "parsers/body/body_decoder.h"
#include "parsers/body/content_coding.h"

namespace llmtap {

// True if a text may be a JSON object or array: the others are not worth parsing.
bool may_be_json(std::string_view data);
// Cuts what is over `limit` bytes off the end of the messages' text, at a character's edge. Returns
// the bytes that are left; `cut` is set if something went.
std::size_t trim_text(std::vector<Message>& messages, std::size_t limit, bool& cut);

struct CallFold::State final : private BodySink {
  State(FoldContext& context, const ConnId& conn) : context_(context), conn_(conn) {}

  void request(RequestHead&& head, Direction direction, Stamp stamp);
  void response(ResponseHead&& head, Stamp stamp);
  void body(Side side, std::string_view bytes, Stamp stamp);
  void gap(Side side, std::uint64_t bytes);
  void trailers(Side side, Headers&& trailers);
  void finish(Side side, Stamp stamp);
  void message(Side side, std::string_view payload, Stamp stamp);
  void end(End end, Stamp stamp);
  ConnVerdict verdict() const { return verdict_; }
  std::size_t memory() const;

 private:
  // A response that waits for the end of its request.
  struct EarlyResponse {
    struct Piece {
      enum class Kind { kBytes, kGap, kFinish } kind;
      std::string bytes;
      Stamp stamp;
    };
    void add(Piece piece) {
      held += sizeof(Piece) + piece.bytes.size();
      pieces.push_back(std::move(piece));
    }

    ResponseHead head;
    Stamp stamp;
    std::vector<Piece> pieces;
    std::size_t held = 0;  // bytes, the pieces themselves included
  };
  using Piece = EarlyResponse::Piece;

  void decide(TimeNs ts_ns, bool complete);
  bool adopt(const Provider* provider, const RequestBody& body);
  void identify(const Headers& headers, const Json& body, CallRecord& call);
  void give_up();
  void replay_early();
  void start_response(ResponseHead&& head, Stamp stamp);
  void response_body(std::string_view bytes, Stamp stamp);
  void finish_response(TimeNs ts_ns, bool complete);
  void event(const BodyEvent& event) override;
  void loss(LossReason reason, std::uint64_t bytes) override;
  static void request_loss(void* owner, LossReason reason, std::uint64_t bytes);
  void complete_error(const CallError& shared);
  void read_grpc_status(const Headers& headers);
  void weigh(std::size_t bytes);
  void saw_token();
  void set_verdict(ConnVerdict verdict);
  // WebSocket sessions.
  void open_session(std::string_view payload);
  void client_message(const BodyEvent& event, const Json& json, Stamp stamp);
  void server_message(const BodyEvent& event, const Json& json, Stamp stamp);
  void emit_session_call(End end);
  void next_call();
  void end_session(End end);
  void emit(CallRecord&& call);
  void end_call(End end, Stamp stamp);

  // When bytes of a side were there. What we read is there when the call returns, what we write
  // when it is entered.
  bool written(Side side) const {
    return (side == Side::kRequest) == (direction_ == Direction::kWrite);
  }
  TimeNs arrival(Side side, Stamp stamp) const {
    return written(side) ? stamp.begin_ns : stamp.end_ns;
  }

  FoldContext& context_;
  ConnId conn_;
  std::unique_ptr<RequestHead> head_;  // until a provider takes it
  Direction direction_ = Direction::kWrite;
  std::unique_ptr<RequestCollector> request_;  // until decided
  bool decided_ = false;
  bool socket_ = false;  // the request asks for a WebSocket
  ConnVerdict verdict_ = ConnVerdict::kUnknown;
  std::unique_ptr<CallParser> parser_;
  CallRecord call_;
  // Response.
  std::unique_ptr<EarlyResponse> early_;
  ContentCoding coding_;
  std::unique_ptr<BodyDecoder> decoder_;
  std::unique_ptr<Headers> response_headers_;  // of a bad answer, for its error
  bool coding_lost_ = false;
  bool grpc_ = false;  // the request says so, or its bytes do
  bool done_ = false;  // the parser says that the call is over
  TimeNs last_seen_ = 0;
  std::size_t header_bytes_ = 0;
  std::size_t input_bytes_ = 0;    // of the record's input
  std::size_t content_bytes_ = 0;  // of its output, as of the last weighing, and events since
  std::size_t unweighed_ = 0;
  // Session.
  std::unique_ptr<CallRecord> blank_;  // what every call of the session starts from
  int tries_ = 0;
  bool in_session_ = false;
  bool call_open_ = false;
  bool emitted_ = false;
};

}  // namespace llmtap
