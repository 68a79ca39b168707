// SPDX-License-Identifier: Apache-2.0
//
// A call between two processes of one node is seen at both ends and reported once, from the
// client's, with what only the server's end knows added. Ends belong together when the addresses of
// their sockets mirror each other; where addresses are not known (inferred, or translated on the
// way), by a digest of what both see alike (method, path, request body) or the vendor's response id.
// Addresses that are sure forbid what they contradict, inferred ones do not. Always by
// cause and effect: the client began to send before the server had read. One client exchange stands
// for one server exchange, so equal requests in parallel are counted right.
// Normally the client's request is known long before the server's record is; for the rest a server's
// record waits for kGraceNs of event time, and so does a client's whose server is not done yet.
// A process is never its own peer: the upstream call of a gateway is a call of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "parsers/assembly/assembler.h"
#include "parsers/assembly/socket_pairs.h"
#include "parsers/assembly/stream_hash.h"
#include "parsers/core/call_record.h"
#include "parsers/core/chunk.h"
#include "parsers/wire/decoder.h"

namespace llmtap {

// One exchange as its observer knows it. Owned by the connection; `client` is set here.
struct PeerView {
  ConnId conn;
  StreamId stream = 0;
  Direction direction = Direction::kWrite;  // of the request: kWrite is the client's end
  TimeNs begin_ns = 0;                      // the TLS call with the first request byte was entered
  TimeNs end_ns = 0;                        // and returned
  std::optional<std::uint64_t> digest;      // absent: the request was not seen whole
  std::optional<std::pair<ConnId, StreamId>> client;  // server's end: its client on this node
};

class PeerMatch {
 public:
  static constexpr TimeNs kGraceNs = 250'000'000;
  static constexpr TimeNs kWindowNs = 30'000'000'000;    // first byte sent → first byte read
  static constexpr TimeNs kRememberNs = 10'000'000'000;  // a client's exchange, after its end
  // A plain socket's bytes are seen when a send has returned: the peer may have read them by then.
  static constexpr TimeNs kSlackNs = 1'000'000;
  static constexpr std::size_t kMaxClients = 16384;
  static constexpr std::size_t kMaxHeld = 1024;

  explicit PeerMatch(RecordSink& out) : out_(out) {}

  // The addresses of a connection are known; it is gone.
  void socket(const ConnId& conn, const SocketPair& pair) { sockets_.add(conn, pair); }
  // Null: not known. Valid until the next change.
  const SocketPair* socket_of(const ConnId& conn) const { return sockets_.of(conn); }
  // It is another connection under the same name now.
  void forget_socket(const ConnId& conn) { sockets_.remove(conn); }
  void closed(const ConnId& conn, TimeNs now_ns);
  // The request of an exchange is whole (`view.digest` is there).
  void request(PeerView& view);
  // A client's exchange is over.
  void client_end(const PeerView& view, TimeNs now_ns);
  // A finished call of `view`: passed on, held or dropped.
  void record(CallRecord&& call, PeerView& view, TimeNs now_ns);
  // Releases what was held for long enough.
  void advance(TimeNs now_ns);
  // Releases everything.
  void finish();

  std::size_t held() const { return servers_.size() + waiting_.size(); }
  std::size_t memory() const;
  std::uint64_t merged() const { return merged_; }  // server's records that were dropped

 private:
  using ExchangeKey = std::pair<ConnId, StreamId>;
  struct Client {
    TimeNs begin_ns = 0;
    std::optional<std::uint64_t> digest;
    std::optional<std::uint64_t> id;  // of the answer
    bool taken = false;               // its server's end is known
    std::unique_ptr<ServerEnd> server;  // and has ended
  };
  using Clients = std::map<ExchangeKey, Client>;  // ordered: a connection's are neighbours
  struct ServerView {
    ConnId conn;
    StreamId stream = 0;
    TimeNs end_ns = 0;
    std::optional<std::uint64_t> digest;
    std::optional<std::uint64_t> id;
  };
  struct HeldServer {
    TimeNs due_ns;
    ServerView view;
    CallRecord call;
  };
  struct HeldClient {
    TimeNs due_ns;
    ExchangeKey exchange;
    CallRecord call;
  };

  Client* remember(const PeerView& view);
  void index(std::uint64_t key, const ExchangeKey& exchange);
  void unindex(std::optional<std::uint64_t> key, const ExchangeKey& exchange);
  void forget(const ExchangeKey& exchange);
  bool fits(const Clients::value_type& client, const ServerView& server) const;
  Clients::value_type* match(const ServerView& server);
  Clients::value_type* match_by_address(const ConnId& peer, const ServerView& server);
  Clients::value_type* match_by_key(std::uint64_t key, const ServerView& server);
  void retry_held(const Clients::value_type& client);
  void client_record(CallRecord&& call, const PeerView& view, TimeNs now_ns);
  void server_record(CallRecord&& call, PeerView& view, TimeNs now_ns);
  void merge(const ExchangeKey& exchange, CallRecord&& server);

  RecordSink& out_;
  SocketPairs sockets_;
  Clients clients_;
  std::unordered_multimap<std::uint64_t, ExchangeKey> by_key_;  // digests and answers' ids
  std::deque<std::pair<TimeNs, ExchangeKey>> gone_;             // by due time
  std::deque<std::pair<TimeNs, ConnId>> closed_;                // likewise
  std::deque<HeldServer> servers_;                              // likewise
  std::deque<HeldClient> waiting_;                              // likewise
  std::uint64_t merged_ = 0;
};

}  // namespace llmtap
