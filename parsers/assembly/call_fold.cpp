// SPDX-License-Identifier: Apache-2.0
#include "parsers/assembly/call_fold.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <string>
#include <utility>

#include "parsers/assembly/call_fold_state.h"
#include "parsers/assembly/error_body.h"
#include "parsers/assembly/secrets.h"
#include "parsers/assembly/vendor_headers.h"
#include "parsers/providers/registry.h"

namespace llmtap {
namespace {

// An answer that comes before the request is whole (an early 4xx; two threads whose events crossed)
// waits for it, up to this many bytes.
constexpr std::size_t kEarlyResponse = std::size_t{256} << 10;
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

}  // namespace

void CallFold::State::request(RequestHead&& head, Direction direction, Stamp stamp) {
  head_ = std::make_unique<RequestHead>(std::move(head));
  direction_ = direction;
  call_.conn = conn_;
  call_.observed =
      direction == Direction::kWrite ? ObservedEnd::kClient : ObservedEnd::kServer;
  split_authority(head_->authority, call_);
  call_.method = head_->method;
  call_.path = mask_query(head_->path);
  call_.protocol = head_->protocol;
  call_.partial = head_->partial;
  call_.timing.request_start = arrival(Side::kRequest, stamp);
  last_seen_ = stamp.end_ns;
  socket_ = asks_for_socket(*head_);
  request_ =
      std::make_unique<RequestCollector>(*head_, context_.limits, &State::request_loss, this);
  bool undecided = false;
  if (find_provider(*head_, Json{}, &undecided) != nullptr) {
    set_verdict(ConnVerdict::kLlm);
  } else if (!undecided && !socket_) {
    if (head_->method == "POST" || head_->method == "PUT" || head_->method.empty()) {
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
  if (early_) {
    early_->add({Piece::Kind::kBytes, std::string(bytes), stamp});
    if (early_->held > kEarlyResponse) decide(arrival(Side::kRequest, stamp), false);
    return;
  }
  response_body(bytes, stamp);
}

void CallFold::State::gap(Side side, std::uint64_t bytes) {
  call_.partial = true;
  call_.bytes_lost += bytes;
  if (side == Side::kRequest) {
    if (request_) request_->gap(bytes);
  } else if (early_) {
    early_->add({Piece::Kind::kGap, {}, {}});
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
  } else if (early_) {
    early_->add({Piece::Kind::kFinish, {}, stamp});
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
    if (head_->method.empty() && body.json.is_object()) head_->method = "POST";
    grpc_ = request_->grpc();
    const Provider* provider = find_provider(*head_, body.json, nullptr);
    if (provider == nullptr && grpc_ && head_->path.empty()) provider = find_provider(body.bytes);
    const bool large = request_->size() > kKeepScratch;
    if (!adopt(provider, body)) give_up();
    request_.reset();
    if (large) context_.json = JsonDocument{};
  }
  replay_early();
}

bool CallFold::State::adopt(const Provider* provider, const RequestBody& body) {
  if (provider == nullptr) return false;
  call_.dialect = provider->dialect;
  call_.provider = context_.names.label(call_.host, call_.port);
  call_.sdk = read_sdk(head_->headers);
  call_.trace = read_trace(head_->headers);
  call_.request_headers = kept_headers(head_->headers);
  if (socket_) blank_ = std::make_unique<CallRecord>(call_);
  parser_ = provider->make();
  parser_->request(*head_, body, call_);
  identify(head_->headers, body.json, call_);
  bool cut = false;
  input_bytes_ = trim_text(call_.input, context_.limits.record_text, cut);
  if (cut) loss(LossReason::kContentLimit, 0);
  head_ = nullptr;
  call_.params.shrink_to_fit();
  header_bytes_ = call_.request_headers.memory();
  set_verdict(ConnVerdict::kLlm);
  if (!socket_ && generates(call_.operation)) context_.sink.progress(call_);
  return true;
}

// On a socket what one message said holds for the next ones: it is kept where calls start from.
void CallFold::State::identify(const Headers& headers, const Json& body, CallRecord& call) {
  auto found = apply_rules(context_.identity, headers, body);
  if (blank_ && found.session.empty()) found.session = blank_->session_id;
  if (blank_ && found.user.empty()) found.user = blank_->user_id;
  if (found.session.empty()) found.session = propagated(call.trace, "llmobs_sid");
  if (!found.session.empty()) call.session_id = found.session;
  if (!found.user.empty()) call.user_id = found.user;
  if (blank_) {
    blank_->session_id = std::move(found.session);
    blank_->user_id = std::move(found.user);
  }
  read_identity_headers(headers, call);
}

void CallFold::State::give_up() {
  if (socket_) return;  // its messages may say more
  decoder_.reset();
  coding_ = ContentCoding{};
  head_->headers.clear();
  set_verdict(ConnVerdict::kWatch);
}

void CallFold::State::set_verdict(ConnVerdict verdict) {
  if (verdict_ == verdict) return;
  verdict_ = verdict;
  context_.sink.verdict(conn_, verdict);
}

void CallFold::State::loss(LossReason reason, std::uint64_t bytes) {
  call_.partial = true;
  call_.bytes_lost += bytes;
  context_.sink.loss(conn_, reason, bytes);
}

void CallFold::State::request_loss(void* owner, LossReason reason, std::uint64_t bytes) {
  static_cast<State*>(owner)->loss(reason, bytes);
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
    head_->headers.clear();
    head_->path = call_.path;  // masked
    context_.sink.not_llm(conn_, *head_);
  } else if (in_session_) {
    end_session(end);
  } else {
    end_call(end, stamp);
  }
}

void CallFold::State::end_call(End end, Stamp stamp) {
  finish_response(stamp.end_ns, end == End::kComplete);
  if (response_headers_ && !call_.error)
    call_.error = read_error(*response_headers_, {}, Json{});
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
  std::size_t bytes =
      sizeof *this + header_bytes_ + input_bytes_ + content_bytes_ + coding_.memory();
  if (early_) bytes += early_->held;
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
void CallFold::trailers(Side side, Headers&& trailers) {
  state_->trailers(side, std::move(trailers));
}
void CallFold::finish(Side side, Stamp stamp) { state_->finish(side, stamp); }
void CallFold::message(Side side, std::string_view payload, bool, Stamp stamp) {
  state_->message(side, payload, stamp);
}
void CallFold::end(End end, Stamp stamp) { state_->end(end, stamp); }
ConnVerdict CallFold::verdict() const { return state_->verdict(); }
std::size_t CallFold::memory() const { return state_->memory(); }

}  // namespace llmtap
