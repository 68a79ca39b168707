// SPDX-License-Identifier: Apache-2.0
//
// Runs the four stages for all live connections: chunks in, call records out.
// Pure: time comes from the chunks, memory is bounded by Limits, nothing is shared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "parsers/assembly/identity.h"
#include "parsers/assembly/provider_names.h"
#include "parsers/core/call_record.h"
#include "parsers/core/chunk.h"
#include "parsers/core/loss.h"

namespace llmtap {

// What the first requests of a connection say about it; capture turns it into the kernel's filter.
enum class ConnVerdict : std::uint8_t {
  kUnknown,  // not enough bytes yet
  kLlm,      // carries LLM calls: copy everything
  kWatch,    // HTTP, no LLM call so far: show the head of each request
  kIgnore,   // not a protocol that we decode: copy nothing
};

class RecordSink {
 public:
  virtual ~RecordSink() = default;
  // A call has ended (or was given up). Only for operations that generate.
  virtual void record(CallRecord&& call) = 0;
  // A recognised request that generates nothing (polling, listing, count_tokens, ...).
  virtual void management(const CallRecord&) {}
  // An exchange that is no LLM traffic has ended.
  virtual void not_llm(const ConnId&, const RequestHead&) {}
  // A call has progressed: request sent, first token, ... (live views). `call` is incomplete.
  virtual void progress(const CallRecord&) {}
  virtual void verdict(const ConnId&, ConnVerdict) {}
  virtual void loss(const ConnId&, LossReason reason, std::uint64_t bytes) = 0;
};

struct Limits {
  std::size_t connections = 65536;
  std::size_t total_bytes = std::size_t{256} << 20;      // all buffers and records together
  std::size_t request_body = std::size_t{16} << 20;      // decoded
  std::size_t response_body = std::size_t{16} << 20;     // decoded, not streamed
  std::size_t event = std::size_t{4} << 20;              // one SSE event, line, frame or message
  std::size_t record_text = std::size_t{8} << 20;        // text kept of one call
  std::size_t reorder_bytes = std::size_t{4} << 20;      // per direction
  TimeNs idle_ns = 15ULL * 60 * 1'000'000'000;           // by event time
};

class Assembler {
 public:
  // `sink` outlives it. `names` label providers by host.
  Assembler(const Limits& limits, RecordSink& sink, ProviderNames names = {});
  ~Assembler();

  void feed(const Chunk& chunk);
  // Labels for exchanges that begin from now on.
  void set_names(ProviderNames names);
  // Where requests say whose they are; likewise.
  void set_identity(IdentityRules rules);
  // Event time moves on without chunks: releases what waits for it (a server's record for its
  // client's, bytes behind a hole) and evicts what has been idle for too long. Call it a few times
  // per second.
  void advance(TimeNs now_ns);
  // Ends every open call (shutdown, end of a recording).
  void finish(TimeNs now_ns);

  std::size_t connections() const;
  std::size_t memory() const;
  std::uint64_t merged() const;  // server's ends that were dropped for their client's
  const LossLedger& losses() const;
  const StreamCounts& stream_counts() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace llmtap
