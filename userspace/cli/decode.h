// SPDX-License-Identifier: Apache-2.0
//
// `llmtap decode`: recorded interactions through the same decoder and provider code that live
// traffic goes through. One JSON line per interaction:
//   {"id", "outcome": "call" | "not_llm" | "undecodable", "reason"?, "call" | "event", "steps"?}
// not_llm of a recognised management endpoint also names "provider" and "operation".
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "userspace/cli/interaction.h"

namespace llmtap {

struct DecodeOptions {
  std::string format = "corpus";  // corpus | har
  std::string to = "calls";       // calls | llmobs
  std::vector<std::string> files;
  std::size_t piece = 0;  // bytes per chunk; 0: each message is one chunk
};

// One line, without its end.
std::string decode_line(const RecordedInteraction& interaction, const DecodeOptions& options);

// Exit code: 0, or 1 if a file could not be read (told on `errors`, the others are still done).
int run_decode(const DecodeOptions& options, std::ostream& out, std::ostream& errors);

}  // namespace llmtap
