// SPDX-License-Identifier: Apache-2.0
//
// The one list of dialects. Order is match order: specific paths before general ones.
#pragma once

#include <span>
#include <string_view>

#include "parsers/providers/provider.h"

namespace llmtap {

std::span<const Provider* const> providers();

// The dialect for a request, first by head, then by body shape (pass an absent Json to ask by head
// only). nullptr: not an LLM call as far as this can tell. `undecided` is set when some dialect
// wants to see the body first.
const Provider* find_provider(const RequestHead& head, const Json& body, bool* undecided);

// The dialect of a gRPC request whose path is unknown, by its message.
const Provider* find_provider(std::string_view message);

}  // namespace llmtap
