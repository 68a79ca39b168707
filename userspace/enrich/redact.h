// SPDX-License-Identifier: Apache-2.0
//
// Masks secrets and personal data in every text of a record. Runs before any sink, so before disk.
// Finding is by form (vendor prefixes, PEM armour, JWT shape, "api_key": ...), never by meaning: a
// secret without a form of its own, outside a named field, is not recognised.
#pragma once

#include <string>
#include <string_view>

#include "parsers/core/call_record.h"

namespace llmtap {

struct RedactOptions {
  bool personal = false;  // e-mail, phone, card (Luhn), IBAN as well; secrets always
};

// `text` with each find replaced by "[REDACTED:kind]". JSON stays JSON: neither a find nor its
// replacement holds a quote or a backslash... except in PEM blocks, whose "\n" escapes go with
// them. Returns the number of finds.
std::size_t redact_text(std::string& text, const RedactOptions& options);

// Every text that leaves the process: messages, tools, documents, parameters, errors, path,
// headers, ids that callers choose, command line.
std::size_t redact(CallRecord& call, const RedactOptions& options);

// Content policy "none": roles, part kinds, tool names and figures stay, texts go.
void drop_content(CallRecord& call);

}  // namespace llmtap
