// SPDX-License-Identifier: Apache-2.0
//
// A call between two processes of one node is seen at both ends and reported once, from the
// client's. Ends are matched by a digest of what both see alike (method, path, request body) or by
// the vendor's response id, and by cause and effect: the client began to send before the server
// had read. One client exchange stands for one server exchange, so equal requests in parallel are
// counted right. The client's request is normally known long before the server's record is; for
// the rest a server's record waits for kGraceNs of event time.
// A process is never its own peer: the upstream call of a gateway is a call of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "parsers/assembly/assembler.h"
#include "parsers/core/call_record.h"
#include "parsers/core/chunk.h"
#include "parsers/wire/decoder.h"

namespace llmtap {

// Hash of a byte sequence, the same however it is cut. Not for adversaries: who forges a collision
// hides his own call only.
class StreamHash {
 public:
  void add(std::string_view bytes);
  std::uint64_t value() const;

 private:
  void mix(std::uint64_t word);

  std::uint64_t state_ = 0x9e3779b97f4a7c15ULL;
  std::uint64_t pending_ = 0;  // up to 7 bytes that do not fill a word yet
  std::uint64_t length_ = 0;
};

// One exchange as its observer knows it. Owned by the connection; `paired` is set here.
struct PeerView {
  ConnId conn;
  StreamId stream = 0;
  Direction direction = Direction::kWrite;  // of the request: kWrite is the client's end
  TimeNs begin_ns = 0;                      // the TLS call with the first request byte was entered
  TimeNs end_ns = 0;                        // and returned
  std::optional<std::uint64_t> digest;      // absent: the request was not seen whole
  bool paired = false;                      // server's end: its client is on this node
};

class PeerMatch {
 public:
  static constexpr TimeNs kGraceNs = 250'000'000;
  static constexpr TimeNs kWindowNs = 30'000'000'000;    // first byte sent → first byte read
  static constexpr TimeNs kRememberNs = 10'000'000'000;  // a client's exchange, after its end
  static constexpr std::size_t kMaxClients = 16384;
  static constexpr std::size_t kMaxHeld = 1024;

  explicit PeerMatch(RecordSink& out) : out_(out) {}

  // The request of a client's exchange is whole (`view.digest` is there).
  void client_request(const PeerView& view);
  // That exchange is over.
  void client_end(const PeerView& view, TimeNs now_ns);
  // A finished call of `view`: passed on, held or dropped.
  void record(CallRecord&& call, PeerView& view, TimeNs now_ns);
  // Releases what was held for long enough.
  void advance(TimeNs now_ns);
  // Releases everything.
  void finish();

  std::size_t held() const { return held_.size(); }
  std::size_t memory() const;
  std::uint64_t merged() const { return merged_; }  // server's records that were dropped

 private:
  struct Client {
    ConnId conn;
    StreamId stream;
    TimeNs begin_ns;
  };
  struct Gone {
    TimeNs due_ns;
    std::uint64_t key;
    ConnId conn;
    StreamId stream;
  };
  struct Held {
    TimeNs due_ns;
    std::optional<std::uint64_t> digest;
    std::optional<std::uint64_t> id_key;
    ConnId conn;
    TimeNs end_ns;
    CallRecord call;
  };

  void add_client(std::uint64_t key, const PeerView& view);
  bool take_client(std::optional<std::uint64_t> key, const ConnId& server, TimeNs end_ns);
  void erase_client(const Gone& gone);
  void retry_held(std::uint64_t key);

  RecordSink& out_;
  std::unordered_multimap<std::uint64_t, Client> clients_;
  std::deque<Gone> gone_;  // by due time
  std::deque<Held> held_;  // by due time
  std::uint64_t merged_ = 0;
};

}  // namespace llmtap
