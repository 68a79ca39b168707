// SPDX-License-Identifier: Apache-2.0
#include "parsers/assembly/peer_match.h"

#include <cstring>
#include <utility>

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

void StreamHash::mix(std::uint64_t word) {
  state_ = (state_ ^ word) * 0xd6e8feb86659fd93ULL;
  state_ ^= state_ >> 32;
}

void StreamHash::add(std::string_view bytes) {
  const auto append = [this](char c) {
    const unsigned shift = static_cast<unsigned>(length_++ % 8) * 8;
    pending_ |= std::uint64_t{static_cast<unsigned char>(c)} << shift;
    if (shift == 56) mix(std::exchange(pending_, 0));
  };
  while (!bytes.empty() && length_ % 8 != 0) {
    append(bytes.front());
    bytes.remove_prefix(1);
  }
  for (; bytes.size() >= 8; bytes.remove_prefix(8), length_ += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), 8);
    mix(word);
  }
  for (const char c : bytes) append(c);
}

std::uint64_t StreamHash::value() const {
  StreamHash last = *this;
  last.mix(pending_);
  last.mix(length_);
  return last.state_;
}

void PeerMatch::client_request(const PeerView& view) {
  if (!view.digest) return;
  add_client(*view.digest, view);
  retry_held(*view.digest);
}

void PeerMatch::client_end(const PeerView& view, TimeNs now_ns) {
  if (view.digest) gone_.push_back({now_ns + kRememberNs, *view.digest, view.conn, view.stream});
}

void PeerMatch::record(CallRecord&& call, PeerView& view, TimeNs now_ns) {
  const auto by_id = id_key(call);
  if (view.direction == Direction::kWrite) {
    if (by_id) {
      add_client(*by_id, view);
      gone_.push_back({now_ns + kRememberNs, *by_id, view.conn, view.stream});
      retry_held(*by_id);
    }
    out_.record(std::move(call));
    return;
  }
  if (!view.paired) {
    view.paired = take_client(view.digest, view.conn, view.end_ns) ||
                  take_client(by_id, view.conn, view.end_ns);
  }
  if (view.paired) {
    ++merged_;
    return;
  }
  held_.push_back({now_ns + kGraceNs, view.digest, by_id, view.conn, view.end_ns, std::move(call)});
  while (held_.size() > kMaxHeld) {
    out_.record(std::move(held_.front().call));
    held_.pop_front();
  }
}

void PeerMatch::advance(TimeNs now_ns) {
  while (!held_.empty() && held_.front().due_ns <= now_ns) {
    CallRecord call = std::move(held_.front().call);
    held_.pop_front();
    out_.record(std::move(call));
  }
  while (!gone_.empty() && gone_.front().due_ns <= now_ns) {
    erase_client(gone_.front());
    gone_.pop_front();
  }
}

void PeerMatch::finish() {
  for (Held& held : held_) out_.record(std::move(held.call));
  held_.clear();
  clients_.clear();
  gone_.clear();
}

std::size_t PeerMatch::memory() const {
  return clients_.size() * (sizeof(Client) + 32) + gone_.size() * sizeof(Gone) +
         held_.size() * sizeof(Held);
}

// A full table forgets nobody in particular: both ends of the call may then be reported.
void PeerMatch::add_client(std::uint64_t key, const PeerView& view) {
  while (clients_.size() >= kMaxClients && !gone_.empty()) {
    erase_client(gone_.front());
    gone_.pop_front();
  }
  if (clients_.size() >= kMaxClients) return;
  clients_.emplace(key, Client{view.conn, view.stream, view.begin_ns});
}

// Takes the latest client that can have caused what `server` had read at `end_ns`.
bool PeerMatch::take_client(std::optional<std::uint64_t> key, const ConnId& server, TimeNs end_ns) {
  if (!key) return false;
  auto best = clients_.end();
  const auto [first, last] = clients_.equal_range(*key);
  for (auto it = first; it != last; ++it) {
    const Client& client = it->second;
    if (client.conn.tgid == server.tgid || client.begin_ns > end_ns) continue;
    if (end_ns - client.begin_ns > kWindowNs) continue;
    if (best == clients_.end() || client.begin_ns > best->second.begin_ns) best = it;
  }
  if (best == clients_.end()) return false;
  clients_.erase(best);
  return true;
}

void PeerMatch::erase_client(const Gone& gone) {
  const auto [first, last] = clients_.equal_range(gone.key);
  for (auto it = first; it != last; ++it) {
    if (it->second.conn == gone.conn && it->second.stream == gone.stream) {
      clients_.erase(it);
      return;
    }
  }
}

void PeerMatch::retry_held(std::uint64_t key) {
  for (auto it = held_.begin(); it != held_.end();) {
    const bool ours = it->digest == key || it->id_key == key;
    if (ours && take_client(key, it->conn, it->end_ns)) {
      ++merged_;
      it = held_.erase(it);
    } else {
      ++it;
    }
  }
}

}  // namespace llmtap
