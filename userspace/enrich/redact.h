// SPDX-License-Identifier: Apache-2.0
//
// Masks secrets and personal data in every text of a record. Runs before any sink, so before disk.
// Finding is by form (vendor prefixes, PEM armour, JWT shape, "api_key": ..., check digits), never
// by meaning: a secret without a form of its own, outside a named field, is not recognised.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "parsers/core/call_record.h"

namespace llmtap {

class UserPatterns;

struct RedactOptions {
  bool personal = false;                   // personal_patterns.h as well; secrets always
  const UserPatterns* patterns = nullptr;  // likewise; may be null
};

enum class TextKind : std::uint8_t { kText, kJson };

// `text` with each find replaced by "[REDACTED:kind]". JSON stays JSON: a mask for a bare number is
// quoted; where a user's pattern reached over a string's end the whole text becomes one mask.
// Returns the number of finds.
std::size_t redact_text(std::string& text, const RedactOptions& options,
                        TextKind kind = TextKind::kText);

// Every text that leaves the process: messages, tools, documents, parameters, errors, path,
// headers, ids that callers choose, command line.
std::size_t redact(CallRecord& call, const RedactOptions& options);

// Content policy "none": roles, part kinds, tool names and figures stay, texts go.
void drop_content(CallRecord& call);

}  // namespace llmtap
