// SPDX-License-Identifier: Apache-2.0
#include "parsers/assembly/call_fold.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <string>
#include <utility>

#include "parsers/assembly/error_body.h"
#include "parsers/assembly/request_collector.h"
#include "parsers/assembly/secrets.h"
#include "parsers/assembly/vendor_headers.h"
#include "parsers/body/body_decoder.h"
#include "parsers/body/content_coding.h"
#include "parsers/providers/registry.h"

namespace llmtap {
namespace {

// An answer that comes before the request is whole (an early 4xx; two threads whose events crossed)
// waits for it, up to this many bytes.
constexpr std::size_t kEarlyResponse = std::size_t{256} << 10;
// A WebSocket whose path says nothing is asked by this many client messages.
constexpr int kSocketTries = 8;
// How often the text of a record is weighed against its limit.
constexpr std::size_t kWeighEvery = std::size_t{1} << 20;
// Scratch that one large body has blown up is given back.
constexpr std::size_t kKeepScratch = std::size_t{4} << 20;

void split_authority(std::string_view authority, CallRecord& call) {
  std::string_view host = authority;
  const auto colon = host.rfind(':');
  if (colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos) {
    std::uint16_t port = 0;
    const auto digits = host.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error == std::errc{} && end == digits.data() + digits.size() && port != 0) call.port = port;
    host = host.substr(0, colon);
  }
  call.host.assign(host);
  std::transform(call.host.begin(), call.host.end(), call.host.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
}

bool asks_for_socket(const RequestHead& head) {
  if (head.protocol == Protocol::kWebSocket || head.method == "CONNECT") return true;
  const auto upgrade = find_header(head.headers, "upgrade").value_or(std::string_view{});
  return upgrade == "websocket" || upgrade == "WebSocket";
}

bool may_be_json(std::string_view data) {
  const auto first = data.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && (data[first] == '{' || data[first] == '[');
}

// Cuts what is over the limit off the end of the text; true if something was cut.
bool trim_text(std::vector<Message>& messages, std::size_t limit) {
  std::size_t total = 0;
  bool cut = false;
  for (auto& message : messages) {
    for (auto& part : message.parts) {
      for (std::string* text : {&part.text, &part.arguments, &part.raw}) {
        if (total + text->size() > limit) {
          text->resize(limit - total);
          cut = true;
        }
        total += text->size();
      }
    }
  }
  return cut;
}

}  // namespace

struct CallFold::State final : private BodySink {
  State(FoldContext& context, const ConnId& conn) : context_(context), conn_(conn) {}

  void request(RequestHead&& head, Direction direction, Stamp stamp);
  void response(ResponseHead&& head, Stamp stamp);
  void body(Side side, std::string_view bytes, Stamp stamp);
  void gap(Side side, std::uint64_t bytes);
  void finish(Side side, Stamp stamp);
  void message(Side side, std::string_view payload, Stamp stamp);
  void end(End end, Stamp stamp);
  ConnVerdict verdict() const { return verdict_; }
  std::size_t memory() const;

 private:
  // The part of an early response that waits for the end of the request.
  struct Early {
    enum class Kind { kBytes, kGap, kFinish } kind;
    std::string bytes;
    std::uint64_t missing = 0;
    Stamp stamp;
  };

  void decide(TimeNs ts_ns, bool complete);
  bool adopt(const Provider* provider, const RequestBody& body);
  void give_up();
  void replay_early();
  void start_response(ResponseHead&& head, Stamp stamp);
  void response_body(std::string_view bytes, Stamp stamp);
  void finish_response(TimeNs ts_ns, bool complete);
  void event(const BodyEvent& event) override;
  void loss(LossReason reason, std::uint64_t bytes) override;
  static void request_loss(void* owner, LossReason reason, std::uint64_t bytes);
  void complete_error(const CallError& shared);
  void weigh(std::size_t bytes);
  void saw_token();
  void set_verdict(ConnVerdict verdict);
  // WebSocket sessions.
  void open_session(std::string_view payload);
  void client_message(const BodyEvent& event, const Json& json, Stamp stamp);
  void server_message(const BodyEvent& event, const Json& json, Stamp stamp);
  void emit_session_call(End end);
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
  RequestHead head_;
  Direction direction_ = Direction::kWrite;
  std::unique_ptr<RequestCollector> request_;  // until decided
  bool decided_ = false;
  bool socket_ = false;  // the request asks for a WebSocket
  ConnVerdict verdict_ = ConnVerdict::kUnknown;
  std::unique_ptr<CallParser> parser_;
  CallRecord call_;
  // Response.
  std::unique_ptr<ResponseHead> early_head_;
  Stamp early_stamp_;
  std::vector<Early> early_;
  std::size_t early_bytes_ = 0;
  ContentCoding coding_;
  std::unique_ptr<BodyDecoder> decoder_;
  Headers response_headers_;  // of a bad answer only, for its error
  bool bad_status_ = false;
  bool coding_lost_ = false;
  bool done_ = false;  // the parser says that the call is over
  TimeNs last_seen_ = 0;
  std::size_t content_bytes_ = 0;  // given to the parser, roughly what the record holds
  std::size_t unweighed_ = 0;
  // Session.
  std::unique_ptr<CallRecord> blank_;  // what every call of the session starts from
  int tries_ = 0;
  bool in_session_ = false;
  bool call_open_ = false;
  bool emitted_ = false;
};

void CallFold::State::request(RequestHead&& head, Direction direction, Stamp stamp) {
  head_ = std::move(head);
  direction_ = direction;
  call_.conn = conn_;
  call_.observed =
      direction == Direction::kWrite ? ObservedEnd::kClient : ObservedEnd::kServer;
  split_authority(head_.authority, call_);
  call_.method = head_.method;
  call_.path = mask_query(head_.path);
  call_.protocol = head_.protocol;
  call_.partial = head_.partial;
  call_.timing.request_start = arrival(Side::kRequest, stamp);
  last_seen_ = stamp.end_ns;
  socket_ = asks_for_socket(head_);
  request_ = std::make_unique<RequestCollector>(head_, context_.limits, &State::request_loss, this);
  bool undecided = false;
  if (find_provider(head_, Json{}, &undecided) != nullptr) {
    set_verdict(ConnVerdict::kLlm);
  } else if (!undecided && !socket_) {
    if (head_.method == "POST" || head_.method == "PUT" || head_.method.empty()) {
      request_->only_objects();
    } else {
      request_->discard();
    }
  }
}

void CallFold::State::body(Side side, std::string_view bytes, Stamp stamp) {
  last_seen_ = std::max(last_seen_, stamp.end_ns);
  if (side == Side::kRequest) {
    call_.request_bytes += bytes.size();
    if (request_) request_->feed(bytes, arrival(side, stamp));
    return;
  }
  call_.response_bytes += bytes.size();
  if (early_head_) {
    early_.push_back({Early::Kind::kBytes, std::string(bytes), 0, stamp});
    early_bytes_ += bytes.size();
    if (early_bytes_ > kEarlyResponse) decide(arrival(Side::kRequest, stamp), false);
    return;
  }
  response_body(bytes, stamp);
}

void CallFold::State::gap(Side side, std::uint64_t bytes) {
  call_.partial = true;
  call_.bytes_lost += bytes;
  if (side == Side::kRequest) {
    if (request_) request_->gap(bytes);
  } else if (early_head_) {
    early_.push_back({Early::Kind::kGap, {}, bytes, {}});
  } else {
    coding_.gap();
    if (decoder_) decoder_->gap(bytes);
  }
}

void CallFold::State::finish(Side side, Stamp stamp) {
  last_seen_ = std::max(last_seen_, stamp.end_ns);
  if (side == Side::kRequest) {
    if (!call_.timing.request_end) call_.timing.request_end = stamp.end_ns;
    if (!decided_ && !socket_) decide(arrival(side, stamp), true);
  } else if (early_head_) {
    early_.push_back({Early::Kind::kFinish, {}, 0, stamp});
  } else {
    finish_response(arrival(side, stamp), true);
  }
}

// The request is as whole as it will get: whose is it?
void CallFold::State::decide(TimeNs ts_ns, bool complete) {
  decided_ = true;
  if (request_) {
    if (!complete) call_.partial = true;
    request_->finish(ts_ns, complete);
    const RequestBody body = request_->body(context_.json);
    // A late attach on HTTP/2 may not see the method; what has a body was posted.
    if (head_.method.empty() && body.json.is_object()) head_.method = "POST";
    const Provider* provider = find_provider(head_, body.json, nullptr);
    content_bytes_ = request_->size();
    if (!adopt(provider, body)) give_up();
    request_.reset();
    if (content_bytes_ > kKeepScratch) context_.json = JsonDocument{};
  }
  replay_early();
}

bool CallFold::State::adopt(const Provider* provider, const RequestBody& body) {
  if (provider == nullptr) return false;
  call_.dialect = provider->dialect;
  call_.provider = context_.names.label(call_.host, call_.port);
  call_.sdk = read_sdk(head_.headers);
  call_.trace = read_trace(head_.headers);
  call_.request_headers = without_secrets(head_.headers);
  if (socket_) blank_ = std::make_unique<CallRecord>(call_);
  parser_ = provider->make();
  parser_->request(head_, body, call_);
  if (trim_text(call_.input, context_.limits.record_text)) loss(LossReason::kContentLimit, 0);
  head_.headers = {};
  set_verdict(ConnVerdict::kLlm);
  if (!socket_ && generates(call_.operation)) context_.sink.progress(call_);
  return true;
}

void CallFold::State::give_up() {
  decoder_.reset();
  coding_ = ContentCoding{};
  head_.headers = {};
  set_verdict(ConnVerdict::kWatch);
}

void CallFold::State::set_verdict(ConnVerdict verdict) {
  if (verdict_ == verdict) return;
  verdict_ = verdict;
  context_.sink.verdict(conn_, verdict);
}

void CallFold::State::response(ResponseHead&& head, Stamp stamp) {
  last_seen_ = std::max(last_seen_, stamp.end_ns);
  if (!decided_ && !socket_) {
    early_head_ = std::make_unique<ResponseHead>(std::move(head));
    early_stamp_ = stamp;
    return;
  }
  if (socket_ && !decided_) decide(stamp.end_ns, true);
  start_response(std::move(head), stamp);
}

void CallFold::State::replay_early() {
  if (!early_head_) return;
  const auto head = std::exchange(early_head_, nullptr);
  start_response(std::move(*head), early_stamp_);
  for (const auto& part : std::exchange(early_, {})) {
    if (part.kind == Early::Kind::kBytes) response_body(part.bytes, part.stamp);
    if (part.kind == Early::Kind::kGap) gap(Side::kResponse, 0);
    if (part.kind == Early::Kind::kFinish) {
      finish_response(arrival(Side::kResponse, part.stamp), true);
    }
  }
  early_bytes_ = 0;
}

void CallFold::State::start_response(ResponseHead&& head, Stamp stamp) {
  if (!parser_) return;
  const TimeNs ts_ns = arrival(Side::kResponse, stamp);
  for (CallRecord* call : {&call_, blank_.get()}) {
    if (call == nullptr) continue;
    if (head.status != 0) call->http_status = head.status;
    call->partial = call->partial || head.partial;
    call->request_id = read_request_id(head.headers);
    call->rate_limits = read_rate_limits(head.headers, ts_ns);
    call->retry_after_s = read_retry_after(head.headers, ts_ns);
    call->response_headers = without_secrets(head.headers);
  }
  call_.timing.response_start = ts_ns;
  parser_->response(head, call_);
  if (head.status == 101) return;
  bad_status_ = head.status >= 400;
  if (bad_status_) response_headers_ = head.headers;
  coding_ = ContentCoding(head.headers);
  decoder_ = make_body_decoder(head.headers,
                               {context_.limits.response_body, context_.limits.event});
}

void CallFold::State::response_body(std::string_view bytes, Stamp stamp) {
  if (!decoder_) return;
  const TimeNs ts_ns = arrival(Side::kResponse, stamp);
  const bool decoded = coding_.feed(
      bytes, [&](std::string_view part) { decoder_->feed(part, ts_ns, *this); });
  if (!decoded) {
    loss(LossReason::kBadCoding, bytes.size());
    if (!coding_lost_) decoder_->gap(0);
    coding_lost_ = true;
  }
}

void CallFold::State::finish_response(TimeNs ts_ns, bool complete) {
  if (!decoder_) return;
  if (complete && !coding_lost_ && !coding_.ended()) loss(LossReason::kBadCoding, 0);
  decoder_->finish(ts_ns, complete && coding_.ended(), *this);
  decoder_.reset();
  coding_ = ContentCoding{};
}

void CallFold::State::event(const BodyEvent& event) {
  if (done_) return;
  Json json;
  if (may_be_json(event.data)) json = context_.json.parse(event.data);
  if (decoder_ && decoder_->streamed()) call_.streamed = true;
  if (event.after_gap) call_.partial = true;
  const bool had_token = call_.timing.first_token.has_value();
  if (bad_status_ && !call_.error) call_.error = read_error(response_headers_, event.data, json);
  const auto shared = bad_status_ ? call_.error : std::nullopt;
  if (parser_->event(event, json, call_) == Step::kCallDone) done_ = true;
  if (shared) complete_error(*shared);
  if (!had_token) saw_token();
  weigh(event.data.size());
  if (event.data.size() > kKeepScratch) context_.json = JsonDocument{};
}

void CallFold::State::saw_token() {
  if (call_.timing.first_token && generates(call_.operation)) context_.sink.progress(call_);
}

// A parser may refine the error; what it leaves empty stays as the shared shapes say.
void CallFold::State::complete_error(const CallError& shared) {
  if (!call_.error) call_.error.emplace();
  auto& error = *call_.error;
  if (error.type.empty()) error.type = shared.type;
  if (error.code.empty()) error.code = shared.code;
  if (error.message.empty()) error.message = shared.message;
  if (error.body.empty()) error.body = shared.body;
}

// A record keeps a bounded text however long the stream runs.
void CallFold::State::weigh(std::size_t bytes) {
  content_bytes_ += bytes;
  unweighed_ += bytes;
  if (unweighed_ < kWeighEvery || content_bytes_ < context_.limits.record_text) return;
  unweighed_ = 0;
  if (trim_text(call_.output, context_.limits.record_text)) loss(LossReason::kContentLimit, 0);
}

void CallFold::State::loss(LossReason reason, std::uint64_t bytes) {
  call_.partial = true;
  call_.bytes_lost += bytes;
  context_.sink.loss(conn_, reason, bytes);
}

void CallFold::State::request_loss(void* owner, LossReason reason, std::uint64_t bytes) {
  static_cast<State*>(owner)->loss(reason, bytes);
}

void CallFold::State::message(Side side, std::string_view payload, Stamp stamp) {
  last_seen_ = std::max(last_seen_, stamp.end_ns);
  socket_ = true;
  (side == Side::kRequest ? call_.request_bytes : call_.response_bytes) += payload.size();
  if (!decided_) decide(stamp.end_ns, true);
  if (!parser_ && side == Side::kRequest && tries_ < kSocketTries) open_session(payload);
  if (!parser_) return;
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
  const Provider* provider = find_provider(head_, context_.json.parse(payload), nullptr);
  if (provider != nullptr) adopt(provider, RequestBody{});
}

void CallFold::State::client_message(const BodyEvent& event, const Json& json, Stamp stamp) {
  const bool opens = parser_->client_event(event, json, call_);
  if (!opens) return;
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
  if (!call_open_ && (done || call_.timing.first_token)) {
    // The server began by itself (voice activity): the call starts with its first sign.
    call_open_ = true;
    call_.timing.request_start = event.ts_ns;
    call_.timing.response_start = event.ts_ns;
    call_.timing.request_end.reset();
  }
  if (!had_token) saw_token();
  last_seen_ = std::max(last_seen_, stamp.end_ns);
  if (done) emit_session_call(End::kComplete);
}

void CallFold::State::emit_session_call(End end) {
  parser_->finish(call_);
  call_.end = end;
  call_.partial = call_.partial || end == End::kGap || end == End::kEvicted;
  call_.timing.end = last_seen_;
  emit(std::move(call_));
  call_ = *blank_;
  call_open_ = false;
  content_bytes_ = unweighed_ = 0;
  if (end == End::kComplete) parser_->next(call_);
}

void CallFold::State::emit(CallRecord&& call) {
  emitted_ = true;
  if (generates(call.operation)) {
    context_.sink.record(std::move(call));
  } else {
    context_.sink.management(call);
  }
}

void CallFold::State::end(End end, Stamp stamp) {
  if (!decided_) decide(stamp.end_ns, false);
  if (!parser_) {
    if (verdict_ == ConnVerdict::kUnknown) set_verdict(ConnVerdict::kWatch);
    context_.sink.not_llm(conn_, head_);
    return;
  }
  if (!in_session_) {
    end_call(end, stamp);
    return;
  }
  // The socket closed under a call: its answer is not whole, whoever closed.
  if (call_open_) emit_session_call(end == End::kComplete ? End::kCancelled : end);
  if (!emitted_) {
    call_.operation = Operation::kManagement;
    context_.sink.management(call_);
  }
}

void CallFold::State::end_call(End end, Stamp stamp) {
  finish_response(stamp.end_ns, end == End::kComplete);
  if (bad_status_ && !call_.error) call_.error = read_error(response_headers_, {}, Json{});
  parser_->finish(call_);
  // Many clients leave at the terminator without reading the end of the framing.
  call_.end = done_ ? End::kComplete : end;
  call_.partial = call_.partial || call_.end == End::kGap || call_.end == End::kEvicted;
  const bool cut = call_.end == End::kCancelled || call_.end == End::kTruncated;
  call_.timing.end = cut ? std::max(last_seen_, stamp.end_ns) : last_seen_;
  // A socket that was asked for and refused is no call.
  if (socket_) call_.operation = Operation::kManagement;
  emit(std::move(call_));
}

std::size_t CallFold::State::memory() const {
  std::size_t bytes = sizeof *this + content_bytes_ + early_bytes_ + coding_.memory();
  if (request_) bytes += request_->memory();
  if (decoder_) bytes += decoder_->memory();
  return bytes;
}

CallFold::CallFold(FoldContext& context, const ConnId& conn)
    : state_(std::make_unique<State>(context, conn)) {}
CallFold::~CallFold() = default;
CallFold::CallFold(CallFold&&) noexcept = default;
CallFold& CallFold::operator=(CallFold&&) noexcept = default;

void CallFold::request(RequestHead&& head, Direction direction, Stamp stamp) {
  state_->request(std::move(head), direction, stamp);
}
void CallFold::response(ResponseHead&& head, Stamp stamp) {
  state_->response(std::move(head), stamp);
}
void CallFold::body(Side side, std::string_view bytes, Stamp stamp) {
  state_->body(side, bytes, stamp);
}
void CallFold::gap(Side side, std::uint64_t bytes) { state_->gap(side, bytes); }
void CallFold::finish(Side side, Stamp stamp) { state_->finish(side, stamp); }
void CallFold::message(Side side, std::string_view payload, bool, Stamp stamp) {
  state_->message(side, payload, stamp);
}
void CallFold::end(End end, Stamp stamp) { state_->end(end, stamp); }
ConnVerdict CallFold::verdict() const { return state_->verdict(); }
std::size_t CallFold::memory() const { return state_->memory(); }

}  // namespace llmtap
