// SPDX-License-Identifier: Apache-2.0
#include "parsers/assembly/assembler.h"

#include <algorithm>
#include <list>
#include <map>
#include <utility>
#include <vector>

#include "parsers/assembly/call_fold.h"
#include "parsers/assembly/connection.h"
#include "parsers/assembly/peer_match.h"

namespace llmtap {

namespace {

struct Live {
  Live(const ConnId& id, ConnectionContext& context) : connection(id, context) {}

  Connection connection;
  std::size_t bytes = 0;     // connection.memory() when last asked
  bool in_waiting = false;   // listed in `waiting`
};

using LiveList = std::list<Live>;  // most recently used first

}  // namespace

// Stands between the folds and the outer sink: gives records to PeerMatch, verdicts to their
// connection, and counts losses.
struct Assembler::State final : RecordSink {
  State(const Limits& the_limits, RecordSink& outer, ProviderNames the_names)
      : limits(the_limits),
        names(std::move(the_names)),
        sink(outer),
        peers(outer),
        fold{limits, names, *this, {}},
        context{limits, fold, peers, *this} {}

  void record(CallRecord&& call) override;
  void management(const CallRecord& call) override { sink.management(call); }
  void not_llm(const ConnId& conn, const RequestHead& head) override { sink.not_llm(conn, head); }
  void progress(const CallRecord& call) override;
  void verdict(const ConnId& conn, ConnVerdict verdict) override;
  void loss(const ConnId& conn, LossReason reason, std::uint64_t bytes) override;

  LiveList::iterator find_or_open(const ConnId& id);
  void data(const Chunk& chunk);
  void socket(const Chunk& chunk);
  void account(Live& live);
  void close(LiveList::iterator it, Connection::Cause cause);
  void close_process(std::uint32_t tgid);
  void tick(TimeNs now_ns);
  void evict_idle();
  void evict_over_budget();

  const Limits limits;
  ProviderNames names;
  RecordSink& sink;
  PeerMatch peers;
  FoldContext fold;
  ConnectionContext context;
  LossLedger losses;
  LiveList live;
  std::map<ConnId, LiveList::iterator> by_id;  // ordered: a process's connections are neighbours
  std::vector<Connection*> waiting;            // have a hole that event time will close
  std::size_t bytes = 0;
  TimeNs now_ns = 0;
  Connection* active = nullptr;  // whose code runs
};

void Assembler::State::record(CallRecord&& call) {
  if (const auto* pair = active ? peers.socket_of(active->id()) : nullptr) call.socket = *pair;
  if (context.current) {
    peers.record(std::move(call), *context.current, now_ns);
  } else {
    sink.record(std::move(call));
  }
}

// A server's end may turn out to be seen from its client's as well: then it is not shown live.
void Assembler::State::progress(const CallRecord& call) {
  if (call.observed == ObservedEnd::kClient) sink.progress(call);
}

// Connections report changes under their own id, folds what they found; the former pass through.
void Assembler::State::verdict(const ConnId& conn, ConnVerdict verdict) {
  if (active && context.current) {
    PeerView* const current = std::exchange(context.current, nullptr);
    active->set_verdict(verdict);
    context.current = current;
  } else {
    sink.verdict(conn, verdict);
  }
}

void Assembler::State::loss(const ConnId& conn, LossReason reason, std::uint64_t lost) {
  losses.add(reason, lost);
  sink.loss(conn, reason, lost);
}

LiveList::iterator Assembler::State::find_or_open(const ConnId& id) {
  if (!live.empty() && live.front().connection.id() == id) return live.begin();
  const auto [place, is_new] = by_id.try_emplace(id);
  if (is_new) {
    live.emplace_front(id, context);
    place->second = live.begin();
  } else {
    live.splice(live.begin(), live, place->second);
  }
  return live.begin();
}

void Assembler::State::data(const Chunk& chunk) {
  Live& entry = *find_or_open(chunk.conn);
  active = &entry.connection;
  entry.connection.feed(chunk);
  active = nullptr;
  account(entry);
  if (entry.connection.waiting() && !entry.in_waiting) {
    entry.in_waiting = true;
    waiting.push_back(&entry.connection);
  }
  evict_over_budget();
}

void Assembler::State::socket(const Chunk& chunk) {
  find_or_open(chunk.conn)->connection.touch(chunk.end_ns);
  peers.socket(chunk.conn, chunk.socket);
}

void Assembler::State::account(Live& entry) {
  const std::size_t now = entry.connection.memory();
  bytes += now - entry.bytes;
  entry.bytes = now;
}

void Assembler::State::close(LiveList::iterator it, Connection::Cause cause) {
  active = &it->connection;
  it->connection.close(cause, std::max(now_ns, it->connection.last_ns()));
  active = nullptr;
  peers.closed(it->connection.id(), now_ns);
  if (it->in_waiting) std::erase(waiting, &it->connection);
  bytes -= it->bytes;
  by_id.erase(it->connection.id());
  live.erase(it);
}

void Assembler::State::close_process(std::uint32_t tgid) {
  auto it = by_id.lower_bound(ConnId{tgid, 0, 0});
  while (it != by_id.end() && it->first.tgid == tgid) {
    close((it++)->second, Connection::Cause::kClosed);
  }
}

void Assembler::State::tick(TimeNs to_ns) {
  if (to_ns <= now_ns) return;
  now_ns = to_ns;
  std::erase_if(waiting, [this](Connection* connection) {
    Live& entry = *by_id.find(connection->id())->second;
    active = connection;
    connection->advance(now_ns);
    active = nullptr;
    account(entry);
    entry.in_waiting = connection->waiting();
    return !entry.in_waiting;
  });
  peers.advance(now_ns);
  evict_idle();
}

void Assembler::State::evict_idle() {
  while (!live.empty()) {
    const Connection& oldest = live.back().connection;
    if (oldest.last_ns() + limits.idle_ns >= now_ns) return;
    if (oldest.has_open_exchanges()) loss(oldest.id(), LossReason::kIdle, 0);
    close(std::prev(live.end()), Connection::Cause::kEvicted);
  }
}

// The most recently used one stays: it is bounded by its own limits.
void Assembler::State::evict_over_budget() {
  while (live.size() > 1 && (live.size() > limits.connections || bytes > limits.total_bytes)) {
    const Connection& oldest = live.back().connection;
    if (oldest.has_open_exchanges()) loss(oldest.id(), LossReason::kConnectionLimit, 0);
    close(std::prev(live.end()), Connection::Cause::kEvicted);
  }
}

Assembler::Assembler(const Limits& limits, RecordSink& sink, ProviderNames names)
    : state_(std::make_unique<State>(limits, sink, std::move(names))) {}

Assembler::~Assembler() = default;

void Assembler::feed(const Chunk& chunk) {
  State& state = *state_;
  state.tick(chunk.end_ns);
  switch (chunk.kind) {
    case ChunkKind::kData: return state.data(chunk);
    case ChunkKind::kProcessExit: return state.close_process(chunk.conn.tgid);
    case ChunkKind::kSocket: return state.socket(chunk);
    case ChunkKind::kClose: break;
  }
  const auto it = state.by_id.find(chunk.conn);
  if (it != state.by_id.end()) state.close(it->second, Connection::Cause::kClosed);
}

void Assembler::set_names(ProviderNames names) { state_->names = std::move(names); }

void Assembler::set_identity(IdentityRules rules) { state_->fold.identity = std::move(rules); }

void Assembler::advance(TimeNs now_ns) { state_->tick(now_ns); }

void Assembler::finish(TimeNs now_ns) {
  State& state = *state_;
  state.tick(now_ns);
  while (!state.live.empty()) {
    state.close(std::prev(state.live.end()), Connection::Cause::kEvicted);
  }
  state.peers.finish();
}

std::size_t Assembler::connections() const { return state_->live.size(); }

std::size_t Assembler::memory() const { return state_->bytes + state_->peers.memory(); }

std::uint64_t Assembler::merged() const { return state_->peers.merged(); }

const StreamCounts& Assembler::stream_counts() const { return state_->context.counts; }
const LossLedger& Assembler::losses() const { return state_->losses; }

}  // namespace llmtap
