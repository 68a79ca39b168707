// SPDX-License-Identifier: Apache-2.0
//
// WebSocket exchanges: several calls may follow each other on one socket (provider.h).
#include <algorithm>
#include <utility>

#include "parsers/assembly/call_fold_state.h"
#include "parsers/providers/registry.h"

namespace llmtap {
namespace {

// A socket whose path says nothing is asked by this many client messages.
constexpr int kSocketTries = 8;

}  // namespace

void CallFold::State::message(Side side, std::string_view payload, Stamp stamp) {
  last_seen_ = std::max(last_seen_, stamp.end_ns);
  socket_ = true;
  (side == Side::kRequest ? call_.request_bytes : call_.response_bytes) += payload.size();
  if (!decided_) decide(stamp.end_ns, true);
  if (!parser_ && side == Side::kRequest && tries_ < kSocketTries) open_session(payload);
  if (!parser_) {
    if (tries_ == kSocketTries) set_verdict(ConnVerdict::kWatch);
    return;
  }
  in_session_ = true;
  decoder_.reset();
  BodyEvent event;
  event.ts_ns = arrival(side, stamp);
  event.data = payload;
  Json json;
  if (may_be_json(payload)) json = context_.json.parse(payload);
  if (side == Side::kRequest) {
    client_message(event, json, stamp);
  } else {
    server_message(event, json, stamp);
  }
  weigh(payload.size());
}

// A socket whose path said nothing: its messages may.
void CallFold::State::open_session(std::string_view payload) {
  ++tries_;
  if (!may_be_json(payload)) return;
  const Provider* provider = find_provider(*head_, context_.json.parse(payload), nullptr);
  if (provider != nullptr) adopt(provider, RequestBody{});
}

void CallFold::State::client_message(const BodyEvent& event, const Json& json, Stamp stamp) {
  const bool opens = parser_->client_event(event, json, call_);
  if (!opens) return;
  identify(call_.request_headers, json, call_);
  if (!call_open_) {
    call_open_ = true;
    call_.timing.request_start = arrival(Side::kRequest, stamp);
    call_.timing.response_start.reset();
  }
  call_.timing.request_end = stamp.end_ns;
  if (generates(call_.operation)) context_.sink.progress(call_);
}

void CallFold::State::server_message(const BodyEvent& event, const Json& json, Stamp stamp) {
  call_.streamed = true;
  if (call_open_ && !call_.timing.response_start) call_.timing.response_start = event.ts_ns;
  const bool had_token = call_.timing.first_token.has_value();
  const bool done = parser_->event(event, json, call_) == Step::kCallDone;
  // The server may begin by itself (voice activity): the call starts with its first sign. An answer
  // that ends with nothing in it (a warm-up) was none.
  const bool something = call_.timing.first_token || call_.error || !call_.usage.empty();
  if (!call_open_ && something) {
    call_open_ = true;
    call_.timing.request_start = event.ts_ns;
    call_.timing.response_start = event.ts_ns;
    call_.timing.request_end.reset();
  }
  if (!had_token) saw_token();
  last_seen_ = std::max(last_seen_, stamp.end_ns);
  if (done && call_open_) {
    emit_session_call(End::kComplete);
  } else if (done) {
    next_call();
  }
}

void CallFold::State::emit_session_call(End end) {
  parser_->finish(call_);
  identify(call_.request_headers, Json{}, call_);
  call_.end = end;
  call_.partial = call_.partial || end == End::kGap || end == End::kEvicted;
  call_.timing.end = last_seen_;
  emit(std::move(call_));
  next_call();
}

void CallFold::State::next_call() {
  call_ = *blank_;
  call_open_ = false;
  input_bytes_ = content_bytes_ = unweighed_ = 0;
  parser_->next(call_);
}

void CallFold::State::end_session(End end) {
  // The socket closed under a call: its answer is not whole, whoever closed.
  if (call_open_) emit_session_call(end == End::kComplete ? End::kCancelled : end);
  if (emitted_) return;
  call_.operation = Operation::kManagement;
  emit(std::move(call_));
}

}  // namespace llmtap
