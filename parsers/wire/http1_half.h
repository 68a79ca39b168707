// SPDX-License-Identifier: Apache-2.0
//
// The message framing of one direction of an HTTP/1 connection (RFC 9112):
//
//   message    = start-line CRLF *( field-line CRLF ) CRLF [ body ]
//   chunked    = *( size [ext] CRLF data CRLF ) "0" [ext] CRLF *( trailer CRLF ) CRLF
//
//   kSync ──plausible start line──> kHead ──blank line──> body states ──end──> kHead
//     ^                               │                        │
//     └── gap or violation whose end cannot be known ──────────┘   (chunked: kChunkSync first)
//
// A gap inside a body of known length, or inside one chunk, keeps the alignment. Any other gap in
// a chunked body is followed by a search for a plausible chunk header or the next start line.
// Start lines are looked for at the beginning of lines and of chunks: peers start a message with a
// fresh write. One that was found by searching must be followed by well-formed field lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "parsers/core/chunk.h"
#include "parsers/core/loss.h"
#include "parsers/wire/decoder.h"
#include "parsers/wire/http1_head.h"

namespace llmtap {

class Http1Half {
 public:
  static constexpr std::size_t kMaxHead = std::size_t{64} << 10;
  static constexpr std::size_t kMaxChunkLine = std::size_t{4} << 10;
  static constexpr std::size_t kMaxTrailer = std::size_t{16} << 10;

  // What to do behind a head.
  struct Next {
    enum class Kind : std::uint8_t {
      kBody,    // framed by `framing`; `done` follows
      kSilent,  // an interim response: the next head follows, without `done`
      kTunnel,  // everything that follows is another protocol's
      kReject,  // not a message that belongs here
    };
    Kind kind = Kind::kBody;
    BodyFraming framing;
  };

  // Learns what is found in `direction`. All views live during the call.
  class Owner {
   public:
    virtual ~Owner() = default;
    // May a message of this kind start here?
    virtual bool accepts(Direction direction, StartLine kind) const = 0;
    // `whole` false: cut by a gap behind its last line here.
    virtual Next head(Direction direction, StartLine kind, std::string_view text, bool whole,
                      Stamp stamp) = 0;
    virtual void body(Direction direction, std::string_view bytes, Stamp stamp) = 0;
    virtual void missing(Direction direction, std::uint64_t bytes) = 0;  // of the current body
    virtual void trailers(Direction direction, std::string_view text) = 0;  // of the current body
    virtual void done(Direction direction, Stamp stamp) = 0;
    // Bytes after a 101 or CONNECT.
    virtual void tunnel(Direction direction, std::string_view bytes, Stamp stamp) = 0;
    // The end of the current message and how many follow it is unknown.
    virtual void lost_sync(Direction direction, bool in_message, Stamp stamp) = 0;
    virtual void loss(LossReason reason, std::uint64_t bytes) = 0;
  };

  explicit Http1Half(Direction direction) : direction_(direction) {}

  void feed(std::string_view bytes, Stamp stamp, Owner& owner);
  void gap(std::uint64_t bytes, Stamp stamp, Owner& owner);
  // Ends a body that runs to the close; counts what was skipped.
  void close(Stamp stamp, Owner& owner);

  // The rest of a head that is under way will not come: takes what is there of it.
  void cut_head(Stamp stamp, Owner& owner);
  // What follows is another protocol's; counts what was skipped.
  void enter_tunnel(Owner& owner);
  // The owner knows better: forget the message, look for the next one.
  void resync();

  bool in_tunnel() const { return state_ == State::kTunnel; }
  bool in_message() const;
  // Saw bytes, but is not aligned with them, or believes so only because of a chunk header that
  // was found by searching.
  bool searching() const {
    return guessing_ || (!fresh_ && (state_ == State::kSync || state_ == State::kChunkSync));
  }
  std::size_t memory() const { return text_.capacity(); }

 private:
  enum class State : std::uint8_t {
    kSync,
    kHead,
    kSized,
    kChunkSize,
    kChunkData,
    kChunkEnd,
    kTrailer,
    kChunkSync,
    kUntilClose,
    kTunnel,
  };

  // Each consumes from the front of `in` and returns how much; 0 only with a change of state.
  std::size_t on_sync(std::string_view in, Owner& owner);
  std::size_t on_head(std::string_view in, Stamp stamp, Owner& owner);
  std::size_t on_sized(std::string_view in, Stamp stamp, Owner& owner);
  std::size_t on_chunk_size(std::string_view in, Owner& owner);
  std::size_t on_chunk_data(std::string_view in, Stamp stamp, Owner& owner);
  std::size_t on_chunk_end(std::string_view in, Owner& owner);
  std::size_t on_trailer(std::string_view in, Stamp stamp, Owner& owner);
  std::size_t on_chunk_sync(std::string_view in, Stamp stamp, Owner& owner);

  std::size_t step(std::string_view in, Stamp stamp, Owner& owner);
  enum class Scan : std::uint8_t { kMore, kWhole, kBad };
  std::size_t drop_head(std::string_view in, std::size_t before, std::size_t end, Scan scan,
                        Stamp stamp, Owner& owner);
  Scan scan_head(std::string_view text, const Owner& owner, std::size_t& end);
  bool acceptable(std::string_view text, const Owner& owner) const;
  void take_head(std::string_view text, bool whole, Stamp stamp, Owner& owner);
  void begin_body(const BodyFraming& framing, Stamp stamp, Owner& owner);
  void end_message(Stamp stamp, Owner& owner);
  void expect_head();
  void lose_sync(Stamp stamp, Owner& owner, bool in_message);
  std::size_t broken_chunk(std::size_t used, Owner& owner);
  void gap_in_head(std::uint64_t bytes, Stamp stamp, Owner& owner);
  void gap_in_chunk(std::uint64_t bytes, Owner& owner);
  void count_skipped(Owner& owner);
  void report_skipped(Owner& owner);

  Direction direction_;
  State state_ = State::kSync;
  bool fresh_ = true;       // nothing came yet
  bool guessing_ = false;   // in a chunked body that was found again by searching
  bool at_chunk_ = false;   // the next byte begins what was fed
  bool line_start_ = true;  // kSync, kChunkSync: the next byte begins a line
  bool unsure_ = true;      // kHead: found by searching
  LossReason skip_reason_ = LossReason::kUnknownContext;
  std::uint64_t remaining_ = 0;  // of the sized body, of the chunk, or of the trailer's budget
  std::uint64_t skipped_ = 0;    // bytes passed over while searching
  std::size_t line_ = 0;         // kHead: where the current line begins in the head
  std::size_t scanned_ = 0;      // kHead: up to here the head has been looked at
  Stamp head_stamp_{};           // of the chunk that carried the head's first byte
  std::string text_;             // an element that straddles chunks
};

}  // namespace llmtap
