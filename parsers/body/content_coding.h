// SPDX-License-Identifier: Apache-2.0
//
// Undoes Content-Encoding (RFC 9110 8.4): gzip, x-gzip, deflate, br, zstd, identity, stacked.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "parsers/core/exchange.h"
#include "parsers/core/inflate.h"

namespace llmtap {

class ContentCoding {
 public:
  ContentCoding() = default;  // identity
  explicit ContentCoding(const Headers& headers, const InflateLimits& limits = {});

  // Decodes all of `bytes`; an identity body is handed on as it came, not copied. False: nothing
  // more can be decoded of this body (unknown or broken coding, a bomb, or behind a gap).
  bool feed(std::string_view bytes, const Inflater::Output& output);
  // A compressed stream cannot be joined in its middle.
  void gap() { broken_ = broken_ || !stages_.empty(); }

  bool identity() const { return stages_.empty() && !broken_; }
  bool broken() const { return broken_; }
  // False if a coding's own end was not reached: the body was cut.
  bool ended() const;
  std::size_t memory() const;

  static constexpr std::size_t kMaxStages = 4;

 private:
  struct Stage {
    std::unique_ptr<Inflater> inflater;
    bool touched = false;
    bool done = false;
  };
  void run(std::size_t stage, std::string_view bytes, const Inflater::Output& output);

  std::vector<Stage> stages_;  // in the order of decoding: the last coding applied comes first
  bool broken_ = false;
};

}  // namespace llmtap
