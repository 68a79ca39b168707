// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <utility>

#include "parsers/assembly/call_fold_state.h"
#include "parsers/assembly/error_body.h"
#include "parsers/assembly/secrets.h"
#include "parsers/assembly/vendor_headers.h"
#include "parsers/providers/common.h"

namespace llmtap {
namespace {

// How often the text of a record is weighed against its limit.
constexpr std::size_t kWeighEvery = std::size_t{1} << 20;
// Scratch that one large event has blown up is given back.
constexpr std::size_t kKeepScratch = std::size_t{4} << 20;

void cut_text(std::string& text, std::size_t size) {
  // Not inside a UTF-8 sequence: continuation bytes are 10xxxxxx.
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
  text.resize(size);
}

}  // namespace

bool may_be_json(std::string_view data) {
  const auto first = data.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && (data[first] == '{' || data[first] == '[');
}

std::size_t trim_text(std::vector<Message>& messages, std::size_t limit, bool& cut) {
  std::size_t total = 0;
  for (auto& message : messages) {
    for (auto& part : message.parts) {
      for (std::string* text : {&part.text, &part.arguments, &part.raw}) {
        if (total + text->size() > limit) {
          cut_text(*text, text == &part.raw ? 0 : limit - total);  // half a JSON value is none
          cut = true;
        }
        total += text->size();
      }
    }
  }
  return total;
}

void CallFold::State::response(ResponseHead&& head, Stamp stamp) {
  last_seen_ = std::max(last_seen_, stamp.end_ns);
  if (!decided_ && !socket_) {
    early_ = std::make_unique<EarlyResponse>();
    early_->head = std::move(head);
    early_->stamp = stamp;
    return;
  }
  if (socket_ && !decided_) decide(stamp.end_ns, true);
  start_response(std::move(head), stamp);
}

void CallFold::State::replay_early() {
  const auto early = std::exchange(early_, nullptr);
  if (!early) return;
  start_response(std::move(early->head), early->stamp);
  for (const auto& piece : early->pieces) {
    if (piece.kind == Piece::Kind::kBytes) response_body(piece.bytes, piece.stamp);
    if (piece.kind == Piece::Kind::kGap) gap(Side::kResponse, 0);
    if (piece.kind == Piece::Kind::kFinish) {
      finish_response(arrival(Side::kResponse, piece.stamp), true);
    }
  }
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
    if (const auto cost = read_reported_cost(head.headers)) call->cost = cost;
    call->response_headers = kept_headers(head.headers);
  }
  header_bytes_ += call_.response_headers.memory();
  call_.timing.response_start = ts_ns;
  parser_->response(head, call_);
  if (head.status == 101) return;
  read_grpc_status(head.headers);
  if (head.status >= 400) response_headers_ = std::make_unique<Headers>(head.headers);
  coding_ = ContentCoding(head.headers);
  const BodyLimits limits{context_.limits.response_body, context_.limits.event};
  const bool grpc = grpc_ && !find_header(head.headers, "content-type");  // late attach
  decoder_ = grpc ? make_body_decoder(BodyKind::kGrpc, head.headers, limits)
                  : make_body_decoder(head.headers, limits);
}

// Trailers are kept with the head's fields.
void CallFold::State::trailers(Side side, Headers&& trailers) {
  if (side != Side::kResponse || !parser_ || in_session_) return;
  read_grpc_status(trailers);
  const Headers kept = kept_headers(trailers);
  header_bytes_ += kept.memory();
  call_.response_headers.append(kept);
}

// gRPC answers 200 and says in its trailers (or, without a body, in the head) how it went:
// https://github.com/grpc/grpc/blob/master/doc/statuscodes.md
void CallFold::State::read_grpc_status(const Headers& headers) {
  constexpr std::array<const char*, 17> kNames = {
      "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
      "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
      "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"};
  const auto text = find_header(headers, "grpc-status");
  std::size_t status = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), status).ec != std::errc{}) {
    return;
  }
  if (status == 0 || call_.error) return;
  call_.error.emplace();
  call_.error->code = std::string(*text);
  call_.error->type = status < kNames.size() ? kNames[status] : "UNKNOWN";
  call_.error->message =
      percent_decoded(find_header(headers, "grpc-message").value_or(std::string_view{}));
  call_.error->in_stream = true;
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
  if (response_headers_ && !call_.error)
    call_.error = read_error(*response_headers_, event.data, json);
  const auto shared = response_headers_ ? call_.error : Boxed<CallError>{};
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
  if (unweighed_ < kWeighEvery) return;
  unweighed_ = 0;
  bool cut = false;
  content_bytes_ = trim_text(call_.output, context_.limits.record_text, cut);
  if (cut) loss(LossReason::kContentLimit, 0);
}

}  // namespace llmtap
