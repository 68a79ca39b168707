// SPDX-License-Identifier: Apache-2.0
//
// A provider is a fold: start a record from the request, apply each body event, say when a call is
// done. The framework owns the record, so an abandoned stream still yields what was seen.
// Providers never see framing, sockets, clocks or limits.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "parsers/core/body_event.h"
#include "parsers/core/call_record.h"
#include "parsers/core/exchange.h"
#include "parsers/core/json.h"

namespace llmtap {

// The decoded request body. Views live during the call.
struct RequestBody {
  std::string_view bytes;         // without content coding; a multipart body is empty here
  Json json;                      // absent if the body is not JSON
  std::vector<BodyEvent> fields;  // multipart/form-data: name and value; files have empty data
  bool whole = true;              // false: cut by a gap, a limit or a client that left
};

enum class Step { kContinue, kCallDone };

// Lives for one exchange. Bodies come as whole BodyEvents; on a WebSocket `client_event` and
// `event` are both sides' messages and several calls may follow each other on one exchange: after
// kCallDone the framework emits the record and goes on with a fresh one (see `next`).
class CallParser {
 public:
  virtual ~CallParser() = default;

  // The request is whole, or as whole as it will get. Fills model, params, input, tools, streamed,
  // operation. Called once, before any other; on WebSockets with an empty body.
  virtual void request(const RequestHead& head, const RequestBody& body, CallRecord& call) = 0;

  // The response head is there. The framework has already set http_status, ids and rate limits.
  virtual void response(const ResponseHead&, CallRecord&) {}

  // One event of the response. `json` is event.data parsed, absent if it is not JSON.
  // Sets call.timing.first_token / last_token through mark_token().
  virtual Step event(const BodyEvent& event, const Json& json, CallRecord& call) = 0;

  // One message of the client on a WebSocket. Returns false if the record must not be opened yet
  // (prewarm, session.update, audio append, ...); the framework opens a call at the first true.
  virtual bool client_event(const BodyEvent&, const Json&, CallRecord&) { return false; }

  // The response is over or abandoned: close open blocks, derive what needs the whole.
  // Called once per record.
  virtual void finish(CallRecord&) {}

  // A further call begins on the same exchange (WebSocket): start `call` from what the session
  // knows (model, tools, instructions).
  virtual void next(CallRecord&) {}
};

// How sure a dialect is that a request is its own.
enum class Match : std::uint8_t {
  kNo,
  kIfBody,  // the path may be ours: ask `confirms` when the body is there
  kYes,
};

struct Provider {
  std::string_view dialect;
  // By method, host and path suffix behind any gateway prefix. Pure.
  Match (*matches)(const RequestHead& head);
  // By the shape of the request body; also asked (with kNo paths) when nothing else matched, so
  // that a call under an unknown path is found. May be null: never by body.
  bool (*confirms)(const RequestHead& head, const Json& body);
  std::unique_ptr<CallParser> (*make)();
  // By the first message of a gRPC call whose path is unknown (late attach), which `request` then
  // gets with an empty path. Strict: other services' messages may look alike.
  bool (*confirms_message)(std::string_view message) = nullptr;
};

// First content of the answer (text, reasoning or tool delta): sets first_token once and
// last_token each time.
inline void mark_token(CallRecord& call, TimeNs ts_ns) {
  if (!call.timing.first_token) call.timing.first_token = ts_ns;
  call.timing.last_token = ts_ns;
}

}  // namespace llmtap
