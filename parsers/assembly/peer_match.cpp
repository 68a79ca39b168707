// SPDX-License-Identifier: Apache-2.0
#include "parsers/assembly/peer_match.h"

#include <algorithm>
#include <iterator>

namespace llmtap {

namespace {

std::optional<std::uint64_t> id_key(const CallRecord& call) {
  if (call.response_id.empty()) return std::nullopt;
  StreamHash hash;
  hash.add("id\n");
  hash.add(call.response_id);
  return hash.value();
}

}  // namespace

void PeerMatch::closed(const ConnId& conn, TimeNs now_ns) {
  if (sockets_.close(conn)) closed_.emplace_back(now_ns + kRememberNs, conn);
}

void PeerMatch::request(PeerView& view) {
  if (!view.digest) return;
  if (view.direction == Direction::kWrite) {
    if (remember(view) != nullptr) retry_held(*clients_.find({view.conn, view.stream}));
    return;
  }
  auto* const client = match({view.conn, view.stream, view.end_ns, view.digest, std::nullopt});
  if (client == nullptr) return;
  client->second.taken = true;
  view.client = client->first;
}

void PeerMatch::client_end(const PeerView& view, TimeNs now_ns) {
  const ExchangeKey exchange{view.conn, view.stream};
  if (clients_.contains(exchange)) gone_.emplace_back(now_ns + kRememberNs, exchange);
}

void PeerMatch::record(CallRecord&& call, PeerView& view, TimeNs now_ns) {
  if (view.direction == Direction::kWrite) {
    client_record(std::move(call), view, now_ns);
  } else {
    server_record(std::move(call), view, now_ns);
  }
}

void PeerMatch::client_record(CallRecord&& call, const PeerView& view, TimeNs now_ns) {
  Client* const client = remember(view);
  if (client == nullptr) return out_.record(std::move(call));
  const ExchangeKey exchange{view.conn, view.stream};
  if (const auto id = id_key(call); id && id != client->id) {
    unindex(client->id, exchange);
    client->id = id;
    index(*id, exchange);
  }
  if (!client->taken) retry_held(*clients_.find(exchange));
  if (client->server) {
    call.server = std::move(*std::exchange(client->server, nullptr));
  } else if (client->taken && waiting_.size() < kMaxHeld) {
    waiting_.push_back({now_ns + kGraceNs, exchange, std::move(call)});
    return;
  }
  out_.record(std::move(call));
}

void PeerMatch::server_record(CallRecord&& call, PeerView& view, TimeNs now_ns) {
  const ServerView server{view.conn, view.stream, view.end_ns, view.digest, id_key(call)};
  if (!view.client) {
    if (auto* const client = match(server)) {
      client->second.taken = true;
      view.client = client->first;
    }
  }
  if (view.client) return merge(*view.client, std::move(call));
  servers_.push_back({now_ns + kGraceNs, server, std::move(call)});
  while (servers_.size() > kMaxHeld) {
    out_.record(std::move(servers_.front().call));
    servers_.pop_front();
  }
}

// The server's record ends here: what it knows goes to the client's.
void PeerMatch::merge(const ExchangeKey& exchange, CallRecord&& server) {
  ++merged_;
  ServerEnd end{server.conn, server.timing, std::move(server.process)};
  const auto waiting = std::find_if(waiting_.begin(), waiting_.end(), [&](const HeldClient& held) {
    return held.exchange == exchange;
  });
  if (waiting != waiting_.end()) {
    CallRecord call = std::move(waiting->call);
    waiting_.erase(waiting);
    call.server = std::move(end);
    out_.record(std::move(call));
  } else if (const auto client = clients_.find(exchange); client != clients_.end()) {
    client->second.server = std::make_unique<ServerEnd>(std::move(end));
  }
}

void PeerMatch::advance(TimeNs now_ns) {
  while (!servers_.empty() && servers_.front().due_ns <= now_ns) {
    CallRecord call = std::move(servers_.front().call);
    servers_.pop_front();
    out_.record(std::move(call));
  }
  while (!waiting_.empty() && waiting_.front().due_ns <= now_ns) {
    CallRecord call = std::move(waiting_.front().call);
    waiting_.pop_front();
    out_.record(std::move(call));
  }
  while (!gone_.empty() && gone_.front().first <= now_ns) {
    forget(gone_.front().second);
    gone_.pop_front();
  }
  while (!closed_.empty() && closed_.front().first <= now_ns) {
    sockets_.remove(closed_.front().second);
    closed_.pop_front();
  }
}

void PeerMatch::finish() {
  for (HeldServer& held : servers_) out_.record(std::move(held.call));
  for (HeldClient& held : waiting_) out_.record(std::move(held.call));
  servers_.clear();
  waiting_.clear();
  clients_.clear();
  by_key_.clear();
  gone_.clear();
  closed_.clear();
  sockets_ = {};
}

std::size_t PeerMatch::memory() const {
  constexpr std::size_t kNode = 48;  // of a tree or a hash table
  return clients_.size() * (sizeof(Clients::value_type) + kNode) +
         by_key_.size() * (sizeof(ExchangeKey) + kNode) +
         sockets_.size() * (sizeof(ConnId) * 2 + sizeof(SocketPair) + 2 * kNode) +
         gone_.size() * sizeof(gone_[0]) + closed_.size() * sizeof(closed_[0]) +
         servers_.size() * sizeof(HeldServer) + waiting_.size() * sizeof(HeldClient);
}

// Null: the table is full. It forgets nobody in particular: both ends may then be reported.
PeerMatch::Client* PeerMatch::remember(const PeerView& view) {
  const ExchangeKey exchange{view.conn, view.stream};
  const auto known = clients_.find(exchange);
  if (known != clients_.end()) return &known->second;
  while (clients_.size() >= kMaxClients && !gone_.empty()) {
    forget(gone_.front().second);
    gone_.pop_front();
  }
  if (clients_.size() >= kMaxClients) return nullptr;
  Client& client = clients_[exchange];
  client.begin_ns = view.begin_ns;
  client.digest = view.digest;
  if (view.digest) index(*view.digest, exchange);
  return &client;
}

void PeerMatch::index(std::uint64_t key, const ExchangeKey& exchange) {
  by_key_.emplace(key, exchange);
}

void PeerMatch::unindex(std::optional<std::uint64_t> key, const ExchangeKey& exchange) {
  if (!key) return;
  const auto [first, last] = by_key_.equal_range(*key);
  const auto it = std::find_if(first, last, [&](const auto& each) { return each.second == exchange; });
  if (it != last) by_key_.erase(it);
}

void PeerMatch::forget(const ExchangeKey& exchange) {
  const auto it = clients_.find(exchange);
  if (it == clients_.end()) return;
  unindex(it->second.digest, exchange);
  unindex(it->second.id, exchange);
  clients_.erase(it);
}

bool PeerMatch::fits(const Clients::value_type& client, const ServerView& server) const {
  const Client& state = client.second;
  if (state.taken || client.first.first.tgid == server.conn.tgid) return false;
  if (state.digest && server.digest && state.digest != server.digest) return false;
  return state.begin_ns <= server.end_ns + kSlackNs && state.begin_ns + kWindowNs >= server.end_ns;
}

// The client's exchange that can have caused what `server` had read.
PeerMatch::Clients::value_type* PeerMatch::match(const ServerView& server) {
  if (const ConnId* const peer = sockets_.peer_of(server.conn)) {
    if (auto* const found = match_by_address(*peer, server)) return found;
  }
  for (const auto& key : {server.digest, server.id}) {
    if (!key) continue;
    if (auto* const found = match_by_key(*key, server)) return found;
  }
  return nullptr;
}

// Of several on the connection: the same stream (HTTP/2 numbers them alike), else the latest.
PeerMatch::Clients::value_type* PeerMatch::match_by_address(const ConnId& peer,
                                                            const ServerView& server) {
  Clients::value_type* best = nullptr;
  for (auto it = clients_.lower_bound({peer, 0}); it != clients_.end() && it->first.first == peer;
       ++it) {
    if (!fits(*it, server)) continue;
    if (it->first.second == server.stream) return &*it;
    if (best == nullptr || it->second.begin_ns > best->second.begin_ns) best = &*it;
  }
  return best;
}

PeerMatch::Clients::value_type* PeerMatch::match_by_key(std::uint64_t key,
                                                        const ServerView& server) {
  const SocketPair* const own = sockets_.of(server.conn);
  const bool sure = sockets_.sure(server.conn);
  Clients::value_type* best = nullptr;
  const auto [first, last] = by_key_.equal_range(key);
  for (auto it = first; it != last; ++it) {
    const auto client = clients_.find(it->second);
    if (client == clients_.end() || !fits(*client, server)) continue;
    const ConnId& conn = client->first.first;
    if (sockets_.sure(conn) && sure) {
      if (sockets_.peer_of(conn) != nullptr) continue;  // its server's end is another one
      if (!may_be_ends(*own, *sockets_.of(conn))) continue;
    }
    if (best == nullptr || client->second.begin_ns > best->second.begin_ns) best = &*client;
  }
  return best;
}

// A server's record may wait for this client.
void PeerMatch::retry_held(const Clients::value_type& client) {
  const auto& [exchange, state] = client;
  for (auto it = servers_.begin(); it != servers_.end(); ++it) {
    const ServerView& view = it->view;
    const ConnId* const peer = sockets_.peer_of(view.conn);
    const bool ours = (peer != nullptr && *peer == exchange.first) ||
                      (view.digest && view.digest == state.digest) ||
                      (view.id && view.id == state.id);
    if (!ours || match(view) != &client) continue;
    CallRecord call = std::move(it->call);
    servers_.erase(it);
    clients_.find(exchange)->second.taken = true;
    return merge(exchange, std::move(call));
  }
}

}  // namespace llmtap
