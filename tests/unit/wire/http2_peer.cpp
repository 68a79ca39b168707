// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/wire/http2_peer.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <map>
#include <stdexcept>

namespace llmtap::test {
namespace {

struct Body {
  std::string_view bytes;
  std::size_t piece = 16384;
  const Fields* trailers = nullptr;
  std::size_t reset_after = SIZE_MAX;
  std::size_t sent = 0;
};

struct Peer {
  const std::vector<Call>* calls = nullptr;
  PeerOptions options;
  bool server = false;
  std::map<std::int32_t, Body> bodies;
  std::map<std::int32_t, std::size_t> call_of;
  std::size_t closed = 0;
};

void check(long code) {
  if (code < 0) throw std::runtime_error(nghttp2_strerror(static_cast<int>(code)));
}

// The result points into `fields`.
std::vector<nghttp2_nv> make_nv(const Fields& fields) {
  std::vector<nghttp2_nv> nv;
  for (const auto& [name, value] : fields) {
    nv.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
                  reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(),
                  value.size(), NGHTTP2_NV_FLAG_NONE});
  }
  return nv;
}

ssize_t read_body(nghttp2_session* session, std::int32_t id, std::uint8_t* out, std::size_t room,
                  std::uint32_t* flags, nghttp2_data_source*, void* user) {
  Body& body = static_cast<Peer*>(user)->bodies.at(id);
  if (body.sent >= body.reset_after) {
    check(nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_INTERNAL_ERROR));
    return NGHTTP2_ERR_DEFERRED;
  }
  const std::size_t size = std::min({room, body.piece, body.bytes.size() - body.sent});
  std::copy_n(body.bytes.data() + body.sent, size, out);
  body.sent += size;
  if (body.sent == body.bytes.size()) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (body.trailers != nullptr && !body.trailers->empty()) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const auto nv = make_nv(*body.trailers);
      check(nghttp2_submit_trailer(session, id, nv.data(), nv.size()));
    }
  }
  return static_cast<ssize_t>(size);
}

void respond(nghttp2_session* session, std::int32_t id, Peer& peer) {
  const Call& call = (*peer.calls)[peer.call_of.at(id)];
  if (call.interim) {
    const Fields early = {{":status", "103"}, {"link", "</x>; rel=preload"}};
    const auto nv = make_nv(early);
    check(nghttp2_submit_headers(session, NGHTTP2_FLAG_NONE, id, nullptr, nv.data(), nv.size(),
                                 nullptr));
  }
  peer.bodies[id] = {call.response_body, call.piece, &call.trailers, call.reset_after};
  nghttp2_data_provider provider{};
  provider.read_callback = read_body;
  const auto nv = make_nv(call.response);
  check(nghttp2_submit_response(session, id, nv.data(), nv.size(), &provider));
}

int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
              std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
              std::uint8_t, void* user) {
  Peer& peer = *static_cast<Peer*>(user);
  if (peer.server && std::string_view(reinterpret_cast<const char*>(name), name_size) == "x-call") {
    peer.call_of[frame->hd.stream_id] =
        std::stoul(std::string(reinterpret_cast<const char*>(value), value_size));
  }
  return 0;
}

int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  Peer& peer = *static_cast<Peer*>(user);
  const bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  const bool carries = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
  if (peer.server && ends && carries) respond(session, frame->hd.stream_id, peer);
  return 0;
}

int on_close(nghttp2_session*, std::int32_t, std::uint32_t, void* user) {
  ++static_cast<Peer*>(user)->closed;
  return 0;
}

ssize_t pad(nghttp2_session*, const nghttp2_frame* frame, std::size_t max, void* user) {
  return static_cast<ssize_t>(
      std::min(max, frame->hd.length + static_cast<Peer*>(user)->options.padding));
}

nghttp2_session* make_session(Peer& peer) {
  nghttp2_session_callbacks* callbacks = nullptr;
  check(nghttp2_session_callbacks_new(&callbacks));
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
  nghttp2_session_callbacks_set_select_padding_callback(callbacks, pad);
  nghttp2_session* session = nullptr;
  check(peer.server ? nghttp2_session_server_new(&session, callbacks, &peer)
                    : nghttp2_session_client_new(&session, callbacks, &peer));
  nghttp2_session_callbacks_del(callbacks);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, peer.options.max_streams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20},
      {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, peer.options.table_size}};
  check(nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, 3));
  check(nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, 1 << 30));
  return session;
}

bool pump(nghttp2_session* from, nghttp2_session* to, Direction direction,
          std::vector<Piece>& pieces) {
  const std::uint8_t* bytes = nullptr;
  const ssize_t size = nghttp2_session_mem_send(from, &bytes);
  check(size);
  if (size == 0) return false;
  pieces.push_back(
      {direction, {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)}});
  check(nghttp2_session_mem_recv(to, bytes, static_cast<std::size_t>(size)));
  return true;
}

}  // namespace

std::vector<Piece> run_http2(const std::vector<Call>& calls, const PeerOptions& options) {
  Peer client{&calls, options, false, {}, {}, 0};
  Peer server{&calls, options, true, {}, {}, 0};
  nghttp2_session* c = make_session(client);
  nghttp2_session* s = make_session(server);
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    Fields fields = calls[i].request;
    fields.emplace_back("x-call", std::to_string(i));
    const auto nv = make_nv(fields);
    nghttp2_data_provider provider{};
    provider.read_callback = read_body;
    const bool has_body = !calls[i].request_body.empty();
    const std::int32_t id = nghttp2_submit_request(c, nullptr, nv.data(), nv.size(),
                                                   has_body ? &provider : nullptr, nullptr);
    check(id);
    client.bodies[id] = {calls[i].request_body};
    // Let the requests start one after the other, while earlier ones are answered.
    for (int n = 0; n < 3; ++n) {
      pump(c, s, Direction::kWrite, pieces);
      pump(s, c, Direction::kRead, pieces);
    }
  }
  for (bool more = true; more;) {
    more = pump(c, s, Direction::kWrite, pieces);
    more = pump(s, c, Direction::kRead, pieces) || more;
  }
  nghttp2_session_del(c);
  nghttp2_session_del(s);
  return pieces;
}

}  // namespace llmtap::test
