// SPDX-License-Identifier: Apache-2.0
//
// One direction of one connection: chunks in, bytes in order out.
// Capture may deliver chunks out of order by microseconds (TLS calls of several threads) and may
// lose some for good; both show as a hole between the offset that is due and the one that came.
// Bytes behind a hole are held until it is filled, until `kReorderNs` of event time have passed, or
// until too much is held; then the hole becomes a gap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/core/chunk.h"

namespace llmtap {

class StreamSink {
 public:
  virtual ~StreamSink() = default;
  // The next bytes. The view lives during the call: in order it is the chunk's own.
  virtual void bytes(std::string_view bytes, TimeNs begin_ns, TimeNs end_ns) = 0;
  // `count` bytes are missing here. `overflow`: they were given up because the limit was reached.
  virtual void hole(std::uint64_t count, TimeNs begin_ns, TimeNs end_ns, bool overflow) = 0;
  // `count` bytes came again and are left out.
  virtual void repeated(std::uint64_t /*count*/) {}
  // The next bytes had to wait behind a hole; they moved at `end_ns`.
  virtual void held(TimeNs /*end_ns*/) {}
};

class ByteStream {
 public:
  static constexpr TimeNs kReorderNs = 20'000'000;
  static constexpr std::size_t kMaxHeldPieces = 1024;

  // `limit`: bytes that may be held. `patient` false: a hole is a gap at once (the kernel was told
  // not to copy everything, so holes are expected).
  void push(const Chunk& chunk, bool patient, std::size_t limit, StreamSink& sink);

  // Its owner forgot it once: what came before the first bytes is not reported as a hole.
  void start_anywhere() { anywhere_ = true; }

  // Event time has come to `now_ns`: gives up what has been waited for too long.
  void expire(TimeNs now_ns, StreamSink& sink);
  // Gives up every hole (the connection ends).
  void give_up(StreamSink& sink);

  bool waiting() const { return held_ != nullptr; }
  std::size_t memory() const { return held_ ? held_->bytes : 0; }

 private:
  struct Piece {
    std::uint64_t offset;
    std::uint64_t missing;
    TimeNs begin_ns;
    TimeNs end_ns;
    std::string bytes;
  };
  struct Held {
    std::vector<Piece> pieces;  // by offset
    std::size_t bytes = 0;      // what they occupy
    TimeNs since = 0;           // event time at which waiting began
  };

  void deliver(std::uint64_t offset, std::string_view bytes, std::uint64_t missing, TimeNs begin_ns,
               TimeNs end_ns, StreamSink& sink);
  void hold(const Chunk& chunk);
  void release(StreamSink& sink);
  void skip_hole(StreamSink& sink, bool overflow);

  std::uint64_t next_ = 0;  // offset that is due
  bool anywhere_ = false;   // the next hole is not one
  std::unique_ptr<Held> held_;
};

}  // namespace llmtap
