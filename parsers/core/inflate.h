// SPDX-License-Identifier: Apache-2.0
//
// Bounded streaming decompression: gzip (RFC 1952, several members), deflate as HTTP means it
// (RFC 9110 8.4.1.2: zlib, RFC 1950; many senders use raw RFC 1951, so both), raw deflate with
// sync flushes (WebSocket, RFC 7692), br (RFC 7932) and zstd (RFC 8878, several frames).
// Hostile input gives an error value, never more output than the limits allow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

namespace llmtap {

enum class Coding : std::uint8_t { kGzip, kDeflate, kRawDeflate, kBrotli, kZstd };

// A stream may give `max_output` bytes in all, and not more than `max_ratio` times its input once
// it has given `free_output` bytes. Streams run on for long, so the ratio is the real guard.
struct InflateLimits {
  std::uint64_t max_output = std::uint64_t{1} << 30;
  std::uint64_t max_ratio = 256;
  std::uint64_t free_output = std::uint64_t{4} << 20;
};

enum class InflateStatus : std::uint8_t {
  kMore,     // all input is taken, the stream goes on
  kDone,     // the stream has ended; input behind its end was dropped
  kCorrupt,  // sticky: not valid in this coding (or memory ran out)
  kBomb,     // sticky: a limit was reached
};

class Inflater {
 public:
  using Output = std::function<void(std::string_view)>;  // the view lives during the call

  virtual ~Inflater() = default;
  // Takes all of `input`. Output comes as soon as the coding allows: a sync flush is not held back.
  virtual InflateStatus feed(std::string_view input, const Output& output) = 0;
  // A new stream begins; the window is forgotten (WebSocket without context takeover).
  virtual void reset() = 0;
  // Bytes held between two calls, roughly.
  virtual std::size_t memory() const = 0;
};

std::unique_ptr<Inflater> make_inflater(Coding coding, const InflateLimits& limits = {});

}  // namespace llmtap
