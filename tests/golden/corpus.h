// SPDX-License-Identifier: Apache-2.0
//
// The corpus of recorded interactions, and what a conversation said: for tests that carry each
// interaction over another wire and expect the same record.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "parsers/assembly/assembler.h"
#include "tests/support/record_log.h"
#include "tests/support/reframe.h"

namespace llmtap::testing {

inline constexpr ConnId kConn{100, 1, 1};

// What one conversation said, without what framing and times decide.
struct Outcome {
  std::vector<CallRecord> records;
  std::size_t managed = 0;
  std::size_t others = 0;
  bool operator==(const Outcome&) const = default;
};
Outcome outcome_of(RecordLog& log);

// By the bare bodies.
Outcome folded(const Plain& plain, Protocol protocol);
// By the whole stack; `size` as in to_chunks.
Outcome assembled(const std::vector<Turn>& turns, std::size_t size);

// Everything that can be carried, in batches of 20. Fails where the corpus is not there.
void for_each_batch(const std::function<void(const std::vector<Plain>&)>& use);

}  // namespace llmtap::testing
